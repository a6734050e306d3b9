/** Port-forward: the transports' connections, each relayed to a port in the pod. */
import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CriError, messageOf } from "../errors.js";
import { acceptSpdy } from "./handshake.js";
import type { Upgrade } from "./server.js";
import { SpdySession, type StreamOffer } from "./spdy/session.js";
import type { SpdyStream } from "./spdy/stream.js";
import { acceptPortForward } from "./websocket/port-forward.js";

/** Connects to a port on the pod's localhost. */
export type Dial = (port: number, signal: AbortSignal) => Promise<Socket>;

export interface ForwardOptions {
  /** For WebSocket clients without a tunnel: the ports that the RPC named. */
  ports: number[];
  dial: Dial;
  /** Milliseconds; 0 for never. */
  idleTimeout: number;
  /** Milliseconds that a client may take to open the second stream of a pair. */
  creationTimeout: number;
}

const protocol = "portforward.k8s.io";

/** Answers the handshake and serves the session until the client leaves. */
export async function serveForward(
  { request, socket, head, transport }: Upgrade,
  options: ForwardOptions,
): Promise<void> {
  if (transport === "spdy") {
    if (acceptSpdy(request, socket, [protocol]) !== undefined) await forwardOverSpdy(socket, head, options);
    return;
  }
  const { ports, idleTimeout } = options;
  const accepted = await acceptPortForward(request, socket, head, { ports, idleTimeout });
  if (accepted?.kind === "tunnel") await forwardOverSpdy(accepted.connection, undefined, options);
  if (accepted?.kind !== "channels") return;
  await Promise.all(
    accepted.channels.map(async (channel) => {
      const failure = await forward(channel.data, channel.port, options.dial, accepted.gone);
      if (failure !== undefined) channel.fail(failure);
      channel.data.end();
    }),
  );
  await accepted.done();
}

async function forwardOverSpdy(
  connection: Duplex,
  head: Buffer | undefined,
  options: ForwardOptions,
): Promise<void> {
  const over = new AbortController();
  const pairs = new Pairs(options, over.signal);
  const session = new SpdySession(connection, {
    ...(head ? { head } : {}),
    idleTimeout: options.idleTimeout,
    // Two streams a connection; a client may have many under way.
    maxStreams: 4096,
    onStream: (offer) => pairs.offer(offer),
  });
  await session.closed;
  over.abort(new CriError("cancelled", "the client has gone"));
  pairs.clear();
}

/** A connection of the client's: an error stream and a data stream that name the same request. */
interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  timer: NodeJS.Timeout;
}

class Pairs {
  readonly #waiting = new Map<string, Pair>();

  constructor(
    private readonly options: ForwardOptions,
    private readonly over: AbortSignal,
  ) {}

  offer(offer: StreamOffer): void {
    const type = offer.header("streamtype");
    const port = toPort(offer.header("port"));
    if ((type !== "error" && type !== "data") || port === undefined) {
      offer.refuse();
      return;
    }
    // Very old clients send no request id; theirs is the id of the error stream, opened just before.
    const key = offer.header("requestid") ?? String(type === "error" ? offer.id : offer.id - 2);
    const pair = this.#waiting.get(key) ?? this.#begin(key);
    if (pair[type]) {
      pair.error?.end(`error forwarding port ${port}: a second ${type} stream for request ${key}`);
      offer.refuse();
      return;
    }
    pair[type] = offer.accept();
    const { error, data } = pair;
    if (!error || !data) return;
    // The request id is free again: what follows is the pair's own business.
    this.#forget(key, pair);
    void this.#serve(error, data, toPort(data.header("port")) ?? port);
  }

  clear(): void {
    for (const [key, pair] of this.#waiting) this.#forget(key, pair);
  }

  #begin(key: string): Pair {
    const timer = setTimeout(() => {
      this.#forget(key, pair);
      pair.error?.end(`error forwarding: the client opened only one stream of request ${key}`);
      pair.data?.reset();
    }, this.options.creationTimeout);
    const pair: Pair = { timer };
    this.#waiting.set(key, pair);
    return pair;
  }

  #forget(key: string, pair: Pair): void {
    clearTimeout(pair.timer);
    this.#waiting.delete(key);
  }

  /** Clients wait for the end of the error stream, whatever happened; text on it ends their whole session. */
  async #serve(error: SpdyStream, data: SpdyStream, port: number): Promise<void> {
    error.resume();
    const failure = await forward(data, port, this.options.dial, this.over);
    error.end(failure);
    data.end();
  }
}

/**
 * Relays between a client's stream and a port until the target has said all that it will; each side's end is
 * handed on by itself. The client's stream is left for the caller to end. A client that resets its stream has
 * gone, and a target that breaks off is done: neither is a failure to report.
 * @returns the text of a failure; undefined when there was none
 */
async function forward(
  data: Duplex,
  port: number,
  dial: Dial,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Of each connection; Node takes more than ten for a leak.
  setMaxListeners(0, signal);
  let target: Socket;
  try {
    target = await dial(port, signal);
  } catch (error) {
    data.resume();
    return `error forwarding port ${port} to the pod: ${messageOf(error)}`;
  }
  return await new Promise<string | undefined>((resolve) => {
    const breakOff = () => target.destroy();
    signal.addEventListener("abort", breakOff, { once: true });
    if (signal.aborted) breakOff();
    // A stream that both sides have ended closes as well, and the target may not have read all of it yet.
    data.once("close", () => {
      if (data.errored || !data.readableEnded) breakOff();
    });
    target.once("error", () => {
      // What was read of it already, and waits in it for a slow client, was said all the same.
      const said = target.read() as Buffer | null;
      if (said) data.write(said);
    });
    target.once("close", () => {
      signal.removeEventListener("abort", breakOff);
      // What the client still sends has nowhere to go, and must not stop its other streams.
      data.unpipe(target).resume();
      resolve(undefined);
    });
    target.once("end", () => resolve(undefined));
    if (data.destroyed) breakOff();
    data.pipe(target);
    target.pipe(data, { end: false });
  });
}

/** 1 to 65535 in decimal; undefined for anything else. */
function toPort(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}
