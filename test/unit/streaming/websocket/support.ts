/** A server on a port of its own, clients at it, and what they heard. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";
import { WebSocket } from "ws";
import type { CommandClient, CommandResult } from "../../../../src/streaming/command.js";
import { acceptCommand, type WebSocketCommandOptions } from "../../../../src/streaming/websocket/command.js";
import {
  acceptPortForward,
  type WebSocketForwardClient,
  type WebSocketForwardOptions,
} from "../../../../src/streaming/websocket/port-forward.js";

type Accept<T> = (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<T>;

export interface TestServer<T> {
  port: number;
  /** What was accepted of the first connection, and the server's end of it. */
  accepted: Promise<{ client: T; socket: Socket }>;
}

export async function serve<T>(t: TestContext, accept: Accept<T>): Promise<TestServer<T>> {
  const server = createServer();
  const sockets = new Set<Duplex>();
  const accepted = new Promise<{ client: T; socket: Socket }>((resolve, reject) => {
    server.on("upgrade", (request, socket, head) => {
      sockets.add(socket.on("error", () => undefined));
      accept(request, socket, head).then((client) => resolve({ client, socket: socket as Socket }), reject);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, accepted };
}

/** What the client receives, in order, each once. */
export class Inbox {
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #messages: Buffer[] = [];
  #waiting: (() => void) | undefined;

  constructor(readonly webSocket: WebSocket) {
    webSocket.on("error", () => undefined);
    webSocket.on("message", (data, isBinary) => {
      // A text is marked, so that tests see the difference.
      this.#messages.push(isBinary ? (data as Buffer) : Buffer.from(`text:${(data as Buffer).toString()}`));
      this.#waiting?.();
    });
    this.closed = new Promise((resolve) =>
      webSocket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#waiting?.();
      }),
    );
  }

  async next(): Promise<Buffer> {
    while (this.#messages.length === 0) {
      if (this.webSocket.readyState === WebSocket.CLOSED) throw new Error("closed before another message");
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
    return this.#messages.shift()!;
  }

  /** As text, with the number of the channel in front. */
  async nextText(): Promise<string> {
    const message = await this.next();
    return message.subarray(0, 5).toString() === "text:" ? message.toString() : toText(message);
  }

  /** All up to the Close. */
  async rest(): Promise<string[]> {
    await this.closed;
    return this.#messages.splice(0).map(toText);
  }
}

const toText = (message: Buffer): string =>
  message.subarray(0, 5).toString() === "text:"
    ? message.toString()
    : `${message[0]}:${message.subarray(1).toString()}`;

export async function dial(t: TestContext, port: number, protocols: string[]): Promise<Inbox> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols);
  const inbox = new Inbox(webSocket);
  t.after(() => webSocket.terminate());
  await once(webSocket, "open");
  return inbox;
}

export const onChannel = (channel: number, payload: Buffer | string = ""): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(payload)]);

export const statusOf = (result: CommandResult) => ({
  json: JSON.stringify({ metadata: {}, status: isSuccess(result) ? "Success" : "Failure" }),
  text: isSuccess(result) ? undefined : "it went wrong",
});
const isSuccess = (result: CommandResult): boolean => result.kind === "exited" && result.code === 0;

export const success = { kind: "exited", code: 0 } as const;

export const everything = { stdin: true, stdout: true, stderr: true, tty: false };

export const commandServer = (t: TestContext, options: Partial<WebSocketCommandOptions> = {}) =>
  serve(t, (request, socket, head) =>
    acceptCommand(request, socket, head, { wants: everything, statusOf, idleTimeout: 0, ...options }),
  );

/** A client and the server's side of it, after the first, empty message. */
export async function openCommand(
  t: TestContext,
  protocol: string | undefined,
  options: Partial<WebSocketCommandOptions> = {},
): Promise<{ inbox: Inbox; command: CommandClient; socket: Socket }> {
  const server = await commandServer(t, options);
  const inbox = await dial(t, server.port, protocol === undefined ? [] : [protocol]);
  const { client, socket } = await server.accepted;
  if (!client) throw new Error("the handshake was refused");
  await inbox.next();
  return { inbox, command: client, socket };
}

export const forwardServer = (t: TestContext, options: Partial<WebSocketForwardOptions> = {}) =>
  serve(t, (request, socket, head) =>
    acceptPortForward(request, socket, head, { ports: [], idleTimeout: 0, ...options }),
  );

export async function openForward<K extends WebSocketForwardClient["kind"]>(
  t: TestContext,
  kind: K,
  protocol: string | undefined,
  options: Partial<WebSocketForwardOptions> = {},
): Promise<{ inbox: Inbox; forward: Extract<WebSocketForwardClient, { kind: K }>; socket: Socket }> {
  const server = await forwardServer(t, options);
  const inbox = await dial(t, server.port, protocol === undefined ? [] : [protocol]);
  const { client, socket } = await server.accepted;
  if (client?.kind !== kind) throw new Error(`accepted as ${client?.kind}`);
  return { inbox, forward: client as Extract<WebSocketForwardClient, { kind: K }>, socket };
}

/** A promise's state, once everything that is due by now has happened. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const turn = new Promise((resolve) => setImmediate(() => setImmediate(resolve, pending)));
  return (await Promise.race([promise, turn])) === pending;
}

/** Resolves when the signal has fired. */
export const fired = (signal: AbortSignal): Promise<unknown> =>
  signal.aborted ? Promise.resolve() : once(signal, "abort");

export async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Whether a stream that is full gets room again while nobody reads: true as long as the kernel takes more. */
export async function isDrained(stream: NodeJS.WritableStream): Promise<boolean> {
  return !(await isPending(once(stream, "drain")));
}
