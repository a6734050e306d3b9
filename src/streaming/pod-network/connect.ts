/**
 * Connects to a port on localhost, whichever loopback address its server listens on. The helper in a pod's
 * network runs this, so it imports nothing but node:net.
 */
import { connect, type Socket } from "node:net";

/** A refusal is an answer, as an errno name ("ECONNREFUSED"): it has to cross to another process. */
export type ConnectOutcome = { socket: Socket } | { code: string };

const addresses = ["127.0.0.1", "::1"];
/** How long the first address may stay silent, as behind a firewall, before the second is tried as well. */
const headStartMs = 250;

export interface ConnectOptions {
  signal: AbortSignal;
  /** Never read from the socket, because whoever it is handed to must find every byte. */
  unread?: boolean;
}

/**
 * IPv4 first, IPv6 as soon as that fails or stays silent; the first that connects wins. There is no limit on
 * time other than the kernel's.
 * @throws the signal's reason, once it fires
 */
export function connectLocalhost(port: number, { signal, unread = false }: ConnectOptions) {
  return new Promise<ConnectOutcome>((resolve, reject) => {
    const untried = [...addresses];
    const open = new Set<Socket>();
    const codes: string[] = [];
    let timer: NodeJS.Timeout | undefined;

    const settle = (tell: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abandon);
      untried.length = 0;
      for (const socket of open) socket.destroy();
      tell();
    };
    const abandon = () => settle(() => reject(signal.reason as Error));

    const tryNext = () => {
      clearTimeout(timer);
      const host = untried.shift();
      if (host === undefined) return;
      timer = setTimeout(tryNext, headStartMs);
      const socket = connect({ host, port, allowHalfOpen: true });
      // Paused before it is connected, Node does not even ask the kernel for data.
      if (unread) socket.pause();
      open.add(socket);
      const fail = (error: NodeJS.ErrnoException) => {
        open.delete(socket);
        codes.push(error.code ?? error.message);
        tryNext();
        if (open.size === 0) settle(() => resolve({ code: telling(codes) }));
      };
      socket.once("error", fail);
      socket.once("connect", () => {
        if (isItself(socket)) {
          fail(Object.assign(new Error("connected to itself"), { code: "ECONNREFUSED" }));
          socket.destroy();
          return;
        }
        socket.off("error", fail);
        open.delete(socket);
        settle(() => resolve({ socket }));
      });
    };

    signal.addEventListener("abort", abandon, { once: true });
    if (signal.aborted) abandon();
    else tryNext();
  });
}

/**
 * Of the two addresses' failures the one to tell: that somebody is there and hung up comes before that nobody
 * listens, and that before what a pod without IPv6 says.
 */
const telling = (codes: string[]): string =>
  ["ECONNRESET", "ETIMEDOUT", "ECONNREFUSED"].find((code) => codes.includes(code)) ?? codes[0] ?? "";

/**
 * The kernel may give a connection to a port that nobody listens on that very port as its own, and then the
 * two ends meet: TCP's simultaneous open.
 */
const isItself = (socket: Socket): boolean =>
  socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
