/** A streaming server, grants for it, and clients that ask as they like. */
import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import {
  StreamingServer,
  type Grant,
  type StreamingOptions,
  type StreamKind,
  type Upgrade,
} from "../../../src/streaming/server.js";
import { recordingLog } from "../../support/builders.js";
import { ManualClock } from "../../support/manual-clock.js";

export async function startServer(t: TestContext, options: Partial<StreamingOptions> = {}) {
  const clock = new ManualClock();
  const log = recordingLog();
  const server = new StreamingServer({ host: "127.0.0.1", port: 0, ...options }, clock, log);
  await server.start();
  t.after(() => server.close());
  return { server, clock, log };
}

/** A grant that greets whoever brings it and echoes what it is told, to its end. */
export function echo(kind: StreamKind): Grant & { served: Upgrade[] } {
  const served: Upgrade[] = [];
  const serve = async (upgrade: Upgrade): Promise<void> => {
    const { socket, head } = upgrade;
    served.push(upgrade);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${kind}\r\n\r\n`);
    socket.write(head);
    for await (const data of socket) socket.write(data as Buffer);
    socket.end();
  };
  return { kind, about: { containerId: "c1" }, serve, served };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** After 101. */
  socket?: Duplex;
}

export const spdy = { Connection: "Upgrade", Upgrade: "SPDY/3.1" };
export const webSocket = { Connection: "Upgrade", Upgrade: "websocket" };

/** Asks, and reads the answer to its end. */
export function ask(
  t: TestContext,
  url: string,
  { method = "GET", headers = {}, ca }: { method?: string; headers?: OutgoingHttpHeaders; ca?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = url.startsWith("https:")
      ? httpsRequest(url, { method, headers, agent: false, ca })
      : httpRequest(url, { method, headers, agent: false });
    call.on("error", reject);
    call.on("upgrade", (response, socket) => {
      t.after(() => socket.destroy());
      socket.on("error", () => undefined);
      resolve({ status: 101, headers: response.headers, body: "", socket });
    });
    call.on("response", (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    call.end();
  });
}

/** A connection on which nothing has been said yet. */
export async function connectTo(t: TestContext, url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What is said on a connection, up to so many characters. */
export async function hear(socket: Duplex, length: number): Promise<string> {
  let heard = "";
  while (heard.length < length) {
    const data = socket.read() as Buffer | null;
    if (data) heard += data.toString();
    else await once(socket, "readable");
  }
  return heard;
}
