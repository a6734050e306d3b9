/** What the dialler's tests look for. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { isKind, messageOf, type ErrorKind } from "../../../../src/errors.js";

/** The promise is rejected with a CriError of that kind and message. */
export const fails = (promise: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error) => {
    assert.ok(isKind(error, kind), `not ${kind}: ${messageOf(error)}`);
    assert.match(error.message, message);
    return true;
  });

export const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

/** All up to the other side's end. Unlike stream/consumers' it leaves the socket open on our side. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (data: Buffer) => parts.push(data));
  await once(socket, "end");
  return Buffer.concat(parts);
}

/** Sends words to a server that echoes, and waits for what comes back. */
export async function echoed(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  const [data] = (await once(socket, "data")) as [Buffer];
  return String(data);
}

/** A server on this machine's own localhost that says hello and ends. */
export async function startHello() {
  const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async () => void (await once(server.close(), "close"));
  return { port: (server.address() as AddressInfo).port, close };
}
