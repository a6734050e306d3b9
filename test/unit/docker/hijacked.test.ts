/** Connections to processes, against a daemon that hangs up as dockerd does: with input that nobody has read. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { dockerodeEngine } from "../../../src/docker/dockerode-engine.js";

/** An exec's connection, both ends. */
async function startExec(t: TestContext): Promise<{ connection: Duplex; daemon: Socket }> {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-"));
  const server = createServer((_request, response) => response.end('{"ApiVersion":"1.51"}'));
  const upgraded = once(server, "upgrade") as Promise<[unknown, Socket]>;
  void upgraded.then(([, socket]) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  });
  const socketPath = join(directory, "docker.sock");
  server.listen(socketPath);
  await once(server, "listening");
  const connection = await dockerodeEngine({ socketPath, requestTimeout: 10_000 }).startExec("e1", {
    tty: true,
  });
  const [, daemon] = await upgraded;
  t.after(async () => {
    connection.destroy();
    daemon.destroy();
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { connection, daemon };
}

/** Says all this, and hangs up without having read all that it was sent. */
async function hangUpAfter(daemon: Socket, output: Buffer): Promise<void> {
  await once(daemon, "readable");
  await new Promise((resolve) => daemon.write(output, resolve));
  await once(daemon.destroy(), "close");
}

async function readAll(connection: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const data of connection) parts.push(data as Buffer);
  return Buffer.concat(parts);
}

// Less than the kernel takes without a reader: the daemon is gone before anything is read.
const output = Buffer.from(Array.from({ length: 20_000 }, (_, line) => `${line}\n`).join("")).subarray(
  0,
  100_000,
);

for (const [title, input] of [
  ["input that has come to it", 150_000],
  ["more input than fits", 8 * 2 ** 20],
] as const) {
  test(`a daemon that hangs up on ${title} when all it said is read has ended`, async (t) => {
    const { connection, daemon } = await startExec(t);
    connection.write(Buffer.alloc(input));
    await once(daemon, "readable");
    daemon.write(output);
    const parts: Buffer[] = [];
    for await (const data of connection) {
      parts.push(data as Buffer);
      if (Buffer.concat(parts).length === output.length) setImmediate(() => daemon.destroy());
    }
    assert.ok(Buffer.concat(parts).equals(output));
  });

  test(`a daemon that hangs up on ${title} is read to its last word also by a slow reader`, async (t) => {
    const { connection, daemon } = await startExec(t);
    connection.write(Buffer.alloc(input));
    await hangUpAfter(daemon, output);
    // What is sent to nobody is no failure, and does not end the reading.
    for (let count = 0; count < 10; count++) {
      await new Promise((resolve) => connection.write("more", resolve));
    }
    assert.ok((await readAll(connection)).equals(output));
  });
}

test("the daemon hears the end of the input, and answers it", async (t) => {
  const { connection, daemon } = await startExec(t);
  daemon.on("data", () => undefined).once("end", () => daemon.end("answer"));
  connection.end("input");
  assert.equal((await readAll(connection)).toString(), "answer");
});

test("a reader that does not read holds the daemon up, and loses nothing", async (t) => {
  const { connection, daemon } = await startExec(t);
  const size = 16 * 2 ** 20;
  daemon.end(Buffer.alloc(size));
  await once(connection, "readable");
  assert.ok(connection.readableLength < size / 8);
  assert.equal((await readAll(connection)).length, size);
});

test("a connection that is destroyed is closed", async (t) => {
  const { connection, daemon } = await startExec(t);
  const closed = once(daemon.resume(), "close");
  daemon.once("end", () => daemon.end());
  connection.destroy();
  await closed;
});
