import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { refuse, words } from "../handshake.js";
import { choose } from "./protocols.js";

/** What a client's message may hold, its fragments taken together; more is answered with Close 1009. */
const longestMessage = 32 * 1024 * 1024;

const settings = {
  noServer: true,
  clientTracking: false,
  maxPayload: longestMessage,
  perMessageDeflate: false,
  // Connection answers pings, and knows when to give a client up.
  autoPong: false,
  closeTimeout: 2 ** 31 - 1,
  // Text has base64 in it, which is looked at anyway; in a binary protocol any bytes will do.
  skipUTF8Validation: true,
};

export interface Upgraded<P> {
  webSocket: WebSocket;
  socket: Duplex;
  protocol: P;
}

/**
 * Answers the handshake of RFC 6455, 4.2: 101, or an error with the reason in its body.
 * @param protocols from which the first that the client offers is taken
 * @returns undefined when it was refused
 */
export function upgrade<P extends { name: string | undefined }>(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: readonly P[],
): Upgraded<P> | undefined {
  const { method, headers } = request;
  if (method !== "GET") {
    refuse(socket, 405, "a WebSocket is opened with GET\n", ["Allow: GET"]);
    return undefined;
  }
  if (headers["sec-websocket-version"] !== "13") {
    refuse(socket, 400, "Sec-WebSocket-Version must be 13\n", ["Sec-WebSocket-Version: 13"]);
    return undefined;
  }
  const offered = words(headers["sec-websocket-protocol"]);
  const protocol = choose(offered, protocols);
  if (!protocol) {
    const supported = protocols.flatMap(({ name }) => name ?? []);
    refuse(socket, 403, `offered ${list(offered)}, supported ${list(supported)}: no subprotocol in common\n`);
    return undefined;
  }
  // The tunnel's name has a slash, which no token may have (RFC 9110, 5.6.2): ws would refuse it, and must
  // neither see it nor choose.
  delete headers["sec-websocket-protocol"];
  const server = new WebSocketServer(settings);
  const { name } = protocol;
  if (name !== undefined) server.once("headers", (lines) => lines.push(`Sec-WebSocket-Protocol: ${name}`));
  // Calls back at once; not at all when it has answered with an error of its own, such as 400 for a bad key.
  let webSocket: WebSocket | undefined;
  server.handleUpgrade(request, socket, head, (opened) => (webSocket = opened));
  return webSocket && { webSocket, socket, protocol };
}

const list = (names: string[]): string => names.join(", ") || "none";
