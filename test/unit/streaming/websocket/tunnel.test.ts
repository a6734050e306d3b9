import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { closeFrame, dialRaw, frame } from "./raw-client.js";
import { forwardServer, isPending, openForward, readAll } from "./support.js";

const open = async (t: TestContext) => {
  const { inbox, forward, socket } = await openForward(t, "tunnel", "v2.portforward.k8s.io");
  const { connection } = forward;
  return { inbox, webSocket: inbox.webSocket, connection, socket };
};
const closed = (stream: Duplex) => new Promise((resolve) => stream.once("close", resolve));

test("messages of one byte are a stream of bytes", async (t) => {
  const { port, accepted } = await forwardServer(t);
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "SPDY/3.1+portforward.k8s.io" } });
  await client.head();
  const bytes = Buffer.from("800300060000000400000001800300060000000400000003", "hex");
  for (const byte of bytes) client.socket.write(frame(2, Buffer.from([byte])));
  client.socket.write(closeFrame);
  const { client: forward } = await accepted;
  assert.equal(forward?.kind, "tunnel");
  const received: Buffer[] = [];
  for await (const chunk of (forward as { connection: Duplex }).connection) received.push(chunk as Buffer);
  assert.deepEqual(Buffer.concat(received), bytes);
});

test("empty messages are nothing, fragments one message", async (t) => {
  const { webSocket, connection } = await open(t);
  webSocket.send(Buffer.alloc(0));
  webSocket.send("a", { binary: true, fin: false });
  webSocket.send("b", { binary: true, fin: false });
  webSocket.send("c", { binary: true, fin: true });
  webSocket.close();
  assert.equal(await readAll(connection), "abc");
});

test("each chunk that is written is one message, also a long one", async (t) => {
  const { inbox, connection } = await open(t);
  const chunks = [1, 2, 4, 12, 40_000, 100_000].map((length) => Buffer.alloc(length, length));
  connection.cork();
  for (const chunk of chunks) connection.write(chunk);
  connection.uncork();
  for (const chunk of chunks) assert.deepEqual(await inbox.next(), chunk);
});

test("its end is Close 1000, behind all that was written", async (t) => {
  const { inbox, connection } = await open(t);
  connection.resume();
  connection.end("last words");
  assert.equal((await inbox.next()).toString(), "last words");
  assert.equal((await inbox.closed).code, 1000);
  await closed(connection);
});

test("its end does not wait for a reader: what still comes is dropped", async (t) => {
  const { inbox, webSocket, connection, socket } = await open(t);
  for (let count = 0; count < 64; count++) webSocket.send(Buffer.alloc(1024 * 1024));
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  connection.end();
  assert.equal((await inbox.closed).code, 1000);
  assert.ok(connection.readableLength <= 1024 * 1024, `${connection.readableLength} bytes were kept`);
});

test("the client's Close is the end of input, and what is written then goes nowhere", async (t) => {
  const { inbox, webSocket, connection } = await open(t);
  webSocket.send(Buffer.from("all "));
  webSocket.send(Buffer.from("of it"));
  webSocket.close(1000);
  assert.equal((await inbox.closed).code, 1000);
  connection.write("too late");
  assert.equal(await readAll(connection.iterator({ destroyOnReturn: false })), "all of it");
  connection.end("much too late");
  await closed(connection);
  assert.equal(connection.errored, null);
});

test("a text message ends the connection with Close 1003", async (t) => {
  const { inbox, webSocket, connection } = await open(t);
  webSocket.send("text");
  assert.equal((await inbox.closed).code, 1003);
  assert.match(String(connection.errored), /binary messages only/);
});

test("a client that vanishes breaks the stream off, with an error", async (t) => {
  const { webSocket, connection } = await open(t);
  const reading = readAll(connection);
  webSocket.terminate();
  await assert.rejects(reading);
});

test("a stream that is destroyed takes the connection with it", async (t) => {
  const { inbox, connection } = await open(t);
  connection.destroy();
  assert.equal((await inbox.closed).code, 1006);
});

test("a client that closes and stays is left after the time it is given", async (t) => {
  const { port, accepted } = await forwardServer(t, { closeTimeout: 20 });
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "v2.portforward.k8s.io" } });
  await client.head();
  client.socket.write(closeFrame);
  const { client: forward } = await accepted;
  const { connection } = forward as { connection: Duplex };
  assert.equal(await readAll(connection.iterator({ destroyOnReturn: false })), "");
  connection.end();
  await closed(connection);
});

test("64 MiB go whole each way at once, and a slow side is waited for", async (t) => {
  const { webSocket, connection, socket } = await open(t);
  const total = 64 * 1024 * 1024;
  const up = createHash("sha256");
  const down = createHash("sha256");
  const sent = { up: createHash("sha256"), down: createHash("sha256") };
  let received = 0;
  const arrived = new Promise<void>((resolve) => {
    webSocket.removeAllListeners("message");
    webSocket.on("message", (data: Buffer) => {
      down.update(data);
      received += data.length;
      if (received === total) resolve();
    });
  });
  webSocket.pause();

  const writeAll = async () => {
    let most = 0;
    for (let index = 0; index < total / 65536; index++) {
      const chunk = Buffer.alloc(65536, index % 241);
      sent.down.update(chunk);
      const goOn = connection.write(chunk);
      most = Math.max(most, connection.writableLength + socket.writableLength);
      if (!goOn) {
        if (webSocket.isPaused) webSocket.resume();
        await once(connection, "drain");
      }
    }
    return most;
  };
  for (let index = 0; index < total / 65536; index++) {
    const chunk = Buffer.alloc(65536, index % 239);
    sent.up.update(chunk);
    webSocket.send(chunk);
  }
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(connection.readableLength <= 512 * 1024, `${connection.readableLength} bytes wait`);

  const written = writeAll();
  let read = 0;
  for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
    up.update(chunk as Buffer);
    read += (chunk as Buffer).length;
    if (read === total) break;
  }
  await arrived;
  assert.equal(up.digest("hex"), sent.up.digest("hex"));
  assert.equal(down.digest("hex"), sent.down.digest("hex"));
  assert.ok((await written) <= 1024 * 1024);
  assert.ok(await isPending(closed(connection)));
});
