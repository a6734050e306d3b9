// Kubelets up to 1.22 dial our socket by its path and send that path as :authority. nghttp2 resets such a
// request with PROTOCOL_ERROR, since '/' is no part of an authority (RFC 3986 section 3.2), and Node has no
// setting for it. So each connection is looked at, up to its first request, before the server gets it.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ClientBytes } from "./client-bytes.js";
import { RewritingSocket } from "./rewriting-socket.js";

/** The smallest server preface (RFC 7540 sections 3.5 and 6.5): a SETTINGS frame that sets nothing. */
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 0x4, 0, 0, 0, 0, 0]);

/** Room for a first request and for all the body that flow control lets follow it (RFC 7540 section 6.9.2). */
const HELD_LIMIT = 160 * 1024;
/** What a chunk costs beyond its bytes. */
const CHUNK_OVERHEAD = 128;

/** How long the raw socket is worth waiting for, when a client has not acknowledged our SETTINGS. */
const ACKNOWLEDGEMENT_MS = 1_000;

/**
 * Looks at a new connection's bytes until its first request is known, then hands it to `inject`, once: the
 * socket itself, all bytes put back, when the request's :authority is fine or the bytes are not HTTP/2; else a
 * stream around the socket that turns each '/' of an :authority into '-'.
 *
 * grpc-go sends no request before it has the server's SETTINGS, so an empty SETTINGS frame answers the client's
 * preface here. The server sends its own later, which RFC 7540 section 6.5 allows at any time; the client's
 * first acknowledgement is for ours and is kept from the server, which would take it for an error.
 *
 * Whoever is in doubt gets the stream, which costs time but is never wrong: a client that sends PING or very
 * much before its first request, or that does not acknowledge SETTINGS.
 *
 * Returns a function that destroys a connection that has not been handed on yet, and does nothing to any other:
 * a server that stops knows nothing of those.
 */
export function admitConnection(socket: Socket, inject: (connection: Duplex) => void): () => void {
  const clientBytes = new ClientBytes();
  const passed: Buffer[] = [];
  let cost = 0;
  let answered = false;
  let looking = true;
  let timer: NodeJS.Timeout | undefined;

  const onData = (chunk: Buffer): void => {
    for (const each of clientBytes.push(chunk)) passed.push(each);
    cost += chunk.length + CHUNK_OVERHEAD;
    if (clientBytes.greeted && !answered) {
      answered = true;
      socket.write(EMPTY_SETTINGS);
    }
    if (clientBytes.verdict === "transparent") handOnSocket();
    else if (clientBytes.verdict === "rewriting" || cost > HELD_LIMIT) handOnStream();
    else if (clientBytes.verdict === "unacknowledged") timer ??= setTimeout(handOnStream, ACKNOWLEDGEMENT_MS);
  };

  const handOnSocket = (): void => {
    stopLooking();
    socket.unshift(Buffer.concat([...passed, ...clientBytes.release()]));
    inject(socket);
  };

  const handOnStream = (): void => {
    stopLooking();
    inject(new RewritingSocket(socket, clientBytes, passed));
  };

  const abandon = (): void => {
    if (!looking) return;
    stopLooking();
    socket.destroy();
  };

  const stopLooking = (): void => {
    looking = false;
    clearTimeout(timer);
    socket.pause();
    socket.off("data", onData).off("end", abandon).off("error", abandon).off("close", abandon);
  };

  socket.on("data", onData).on("end", abandon).on("error", abandon).on("close", abandon);
  return abandon;
}
