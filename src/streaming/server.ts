/**
 * The HTTP server that clients come to with a URL from Exec, Attach or PortForward: tokens, routes and upgrade
 * handshakes. What is said after the upgrade is the transports' matter.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../clock.js";
import { CriError, messageOf } from "../errors.js";
import type { Log } from "../log.js";
import { observed, unobserved, type Observer } from "../observer.js";
import { isSpdyUpgrade, isWebSocketUpgrade, refuse } from "./handshake.js";
import { Tokens } from "./tokens.js";

export type StreamKind = "exec" | "attach" | "portforward";

/** An upgraded connection's beginning: what has been read of the client, and the socket to answer on. */
export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  transport: "spdy" | "websocket";
}

/** What a token allows: a kind of stream, and what to do with the connection that brings it. */
export interface Grant {
  kind: StreamKind;
  /** For the log: whose stream it is. */
  about: Record<string, string>;
  /** Answers the handshake and serves the connection to its end. */
  serve(upgrade: Upgrade): Promise<void>;
}

export interface StreamingOptions {
  /** Where to listen; port 0 takes a free one. */
  host: string;
  port: number;
  /** PEM texts; absent for plain http. */
  tls?: { cert: string; key: string } | undefined;
  /** Is told of every session, from its handshake to its end. */
  observer?: Observer<Pick<Grant, "kind">>;
}

const routes = /^\/(exec|attach|portforward)\/([A-Za-z0-9_-]+)$/;
const notFoundBody = "404 page not found\n";

export class StreamingServer {
  readonly #tokens: Tokens<Grant>;
  readonly #connections = new Set<Socket>();
  readonly #sessions = new Set<Promise<void>>();
  #server: Server | undefined;

  constructor(
    private readonly options: StreamingOptions,
    clock: Pick<Clock, "now">,
    private readonly log: Log,
  ) {
    this.#tokens = new Tokens<Grant>(clock);
  }

  async start(): Promise<void> {
    const { host, port, tls } = this.options;
    const plain: RequestListener = (request, response) => {
      // The token is used up, although nothing comes of it: whoever has shown one has had its one chance, as with the
      // kubelet's own streaming library.
      const found = this.#take(request);
      const [status, body] = typeof found === "number" ? answers[found] : answers[400];
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(body);
    };
    const server = tls
      ? createTlsServer({ ...tls, ...socketOptions, ALPNProtocols: ["http/1.1"] }, plain)
      : createHttpServer(socketOptions, plain);
    // Below TLS and HTTP: closing the server would wait for whoever has not come to a request yet.
    server.on("connection", (connection: Socket) => {
      this.#connections.add(connection);
      connection.once("close", () => this.#connections.delete(connection));
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) =>
        reject(
          new CriError(
            "unavailable",
            `cannot listen on --streaming-bind-addr ${host}:${port}: ${messageOf(error)}`,
            { cause: error },
          ),
        );
      server.once("error", failed);
      server.listen(port, host, () => {
        server.off("error", failed);
        resolve();
      });
    });
    this.#server = server;
  }

  /**
   * An absolute URL for one connection within 60 s: kubelets from 1.36 on need the scheme, and every client a
   * host that it can dial.
   */
  url(grant: Grant): string {
    const { address, port } = this.#server?.address() as AddressInfo;
    const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
    const scheme = this.options.tls ? "https" : "http";
    return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}/${grant.kind}/${this.#tokens.issue(grant)}`;
  }

  /** Ends every session, and gives what they leave behind a moment to be cleared away. */
  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
    await Promise.race([Promise.allSettled(this.#sessions), delay(endingMs, undefined, { ref: false })]);
  }

  /** The grant that the request's token stands for, or the HTTP status that says why there is none. */
  #take({ url = "", method = "" }: IncomingMessage): Grant | 404 | 405 {
    const [, kind, token] = routes.exec(url.split("?")[0] ?? "") ?? [];
    if (kind === undefined || token === undefined) return 404;
    const grant = this.#tokens.take(token);
    if (grant?.kind !== kind) return 404;
    return method === "GET" || method === "POST" ? grant : 405;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => undefined);
    const grant = this.#take(request);
    if (typeof grant === "number") {
      refuse(socket, ...answers[grant]);
      return;
    }
    const transport = isWebSocketUpgrade(request) ? "websocket" : isSpdyUpgrade(request) ? "spdy" : undefined;
    if (!transport) {
      refuse(socket, ...answers[400]);
      return;
    }
    const session = this.#serve(grant, { request, socket, head, transport });
    this.#sessions.add(session);
    void session.then(() => this.#sessions.delete(session));
  }

  async #serve(grant: Grant, upgrade: Upgrade): Promise<void> {
    const { kind, about } = grant;
    const { transport, socket } = upgrade;
    const started = performance.now();
    try {
      await observed(this.options.observer ?? unobserved, { kind }, () => grant.serve(upgrade));
      this.log.info(kind, { ...about, transport, ms: Math.round(performance.now() - started) });
    } catch (error) {
      this.log.warn(kind, { ...about, transport, error });
      socket.destroy();
    }
  }
}

/** A client whose machine has vanished is found out by the kernel; what somebody types goes out at once. */
const socketOptions = { keepAlive: true, keepAliveInitialDelay: 30_000, noDelay: true };
/** How long a closing server waits for its sessions to have ended. */
const endingMs = 2_000;

const answers: Record<400 | 404 | 405, [number, string]> = {
  400: [400, "an upgrade to SPDY/3.1 or websocket is needed\n"],
  404: [404, notFoundBody],
  405: [405, "only GET and POST are served\n"],
};
