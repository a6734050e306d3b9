import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { Duplex, PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { frameType, pingFrame, rst } from "../../../../src/streaming/spdy/frames.js";
import { SpdySession } from "../../../../src/streaming/spdy/session.js";
import type { SpdyStream } from "../../../../src/streaming/spdy/stream.js";
import { SpdyClient, synStreamFrame } from "../../../support/spdy-client.js";
import { readAll, socketPair, startSession, until } from "./pair.js";

const mebi = 2 ** 20;
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

test("64 streams carry a MiB each both ways at once, byte for byte", async (t) => {
  const { client, session, server } = await startSession(t, {
    onStream: (offer) => {
      const stream = offer.accept();
      pipeline(stream, new PassThrough(), stream).catch(() => {});
    },
  });
  let most = 0;
  server.on("drain", () => (most = Math.max(most, server.writableLength)));
  const streams = await Promise.all(Array.from({ length: 64 }, (_, index) => client.open({ n: `${index}` })));
  await Promise.all(
    streams.map(async (stream) => {
      const sent = randomBytes(mebi);
      const echo = stream.digest();
      await stream.write(sent);
      await stream.fin();
      assert.deepEqual(await echo, { bytes: mebi, sha256: sha256(sent) });
    }),
  );
  await client.ping();
  assert.equal(session.openStreams, 0);
  assert.ok(most < mebi);
  assert.deepEqual(client.faults, []);
});

test("a slow client slows writers down: little waits in memory, and nothing is lost", async (t) => {
  const { client, server, streams } = await startSession(t);
  const opened = await Promise.all([client.open({}), client.open({}), client.open({})]);
  client.pause();
  const size = 48 * mebi;
  const piece = randomBytes(64 * 1024);
  let produced = 0;
  const source = new Readable({
    read() {
      if (produced < size) produced += piece.length;
      else return void this.push(null);
      this.push(piece);
    },
  });
  const before = process.memoryUsage();
  const done = pipeline(source, streams[0]!);
  // One write that is as large as they come, and one stream of short ones.
  streams[1]?.end(Buffer.alloc(16 * mebi, 1));
  for (let count = 0; count < 1000; count += 1) streams[2]?.write("short\n");
  streams[2]?.end();
  await delay(300);
  assert.ok(produced < 4 * mebi, `${produced} bytes were taken from the source`);
  assert.ok(server.writableLength < mebi, `${server.writableLength} bytes wait`);
  const now = process.memoryUsage();
  // The great write itself is 16 MiB.
  assert.ok(now.arrayBuffers - before.arrayBuffers < 24 * mebi);

  const digests = opened.map((stream) => stream.digest());
  client.resume();
  await done;
  assert.deepEqual((await Promise.all(digests)).map(({ bytes }) => bytes), [size, 16 * mebi, 6000]); // prettier-ignore
  assert.deepEqual(client.faults, []);
});

test("a stream that writes much leaves others their turn", async (t) => {
  const { client, streams } = await startSession(t);
  const [great, small] = await Promise.all([client.open({}), client.open({})]);
  let before = 0;
  great.onData((data) => (before += data.length));
  streams[0]?.end(Buffer.alloc(32 * mebi));
  streams[1]?.end("me too");
  assert.equal((await small.collect()).toString(), "me too");
  assert.ok(before < 4 * mebi, `after ${before} bytes of the other`);
});

test("a slow reader stops the connection, holds little, and gets everything when it goes on", async (t) => {
  const { client, streams, session } = await startSession(t);
  const [slow, quick] = await Promise.all([client.open({}), client.open({})]);
  let arrived = 0;
  streams[1]?.on("data", (data: Buffer) => (arrived += data.length));
  let written = 0;
  const piece = randomBytes(32 * 1024);
  const writing = (async () => {
    for (let count = 0; count < 512; count += 1) {
      await slow.write(piece);
      written += piece.length;
    }
    await slow.fin();
  })();
  await until(() => streams[0]!.backlog > 200 * 1024);
  await delay(200);
  // Some of it is in the kernel's buffers.
  assert.ok(written < 4 * mebi, `${written} bytes were taken`);
  const held = streams[0]!.backlog;
  assert.ok(held < 400 * 1024, `${held} bytes held`);
  // The documented price: one slow reader keeps all others waiting.
  const stuck = quick.write("behind it");
  await delay(50);
  assert.equal(arrived, 0);
  const read = await readAll(streams[0]!);
  assert.equal(read.length, 512 * piece.length);
  await Promise.all([writing, stuck]);
  await client.ping();
  assert.equal(arrived, 9);
  assert.equal(session.openStreams, 2);
});

test("many tiny frames that nobody reads count as the memory they take", async (t) => {
  const { client, streams } = await startSession(t);
  const opened = await client.open({});
  const tiny = Buffer.from("000000010000000161", "hex");
  void client.send(Buffer.alloc(tiny.length * 1_000_000).fill(tiny));
  await delay(300);
  assert.ok(streams[0]!.backlog < 300 * 1024);
  let [pieces, bytes] = [0, 0];
  streams[0]?.on("data", (data: Buffer) => {
    pieces += 1;
    bytes += data.length;
  });
  await opened.fin();
  await once(streams[0]!, "end");
  assert.equal(bytes, 1_000_000);
  assert.ok(pieces > 0);
});

test("destroying a stream that nobody reads lets the connection go on", async (t) => {
  const { client, streams } = await startSession(t);
  const opened = await client.open({});
  void opened.write(Buffer.alloc(8 * mebi));
  await until(() => streams[0]!.backlog > 0);
  streams[0]?.destroy();
  assert.equal(await opened.ended, "reset");
  await client.ping();
});

test("all streams together hold no more than a few MiB", async (t) => {
  const { client, streams } = await startSession(t);
  const opened = await Promise.all(Array.from({ length: 200 }, () => client.open({})));
  // 128 KiB each would be under the limit of every one of them.
  for (const stream of opened) void stream.write(Buffer.alloc(128 * 1024, 1));
  const held = () => streams.reduce((sum, stream) => sum + stream.backlog, 0);
  await until(() => held() > 4 * mebi);
  await delay(100);
  assert.ok(held() < 4.5 * mebi, `${held()} bytes held`);
  const ends = Promise.all(streams.map((stream) => once(stream.resume(), "end")));
  for (const stream of opened) void stream.fin();
  await ends;
});

/** A connection that never takes anything, with its writes counted. */
function deafConnection(): { connection: Duplex; feed: (bytes: Buffer) => void } {
  const connection = new Duplex({ read() {}, write() {} });
  return { connection, feed: (bytes) => connection.push(bytes) };
}

test("a client that asks and never listens is not answered without end", async () => {
  const { connection, feed } = deafConnection();
  const session = new SpdySession(connection, { onStream: (offer) => offer.refuse(rst.cancel) });
  const flood = Buffer.alloc(12 * 1000).fill(pingFrame(1));
  for (let count = 0; count < 300; count += 1) feed(flood);
  await until(() => connection.writableLength > 200 * 1024);
  await delay(50);
  assert.ok(connection.writableLength < 300 * 1024, `${connection.writableLength} bytes wait`);
  connection.destroy();
  assert.equal((await session.closed).reason, "lost");
});

test("a client that dies while a slow reader keeps the session from reading is noticed", async (t) => {
  const { server, client: socket } = await socketPair(t);
  const streams: SpdyStream[] = [];
  const session = new SpdySession(server, {
    onStream: (offer) => streams.push(offer.accept()),
    probeInterval: 20,
  });
  const client = new SpdyClient(socket);
  const opened = await client.open({});
  void opened.write(Buffer.alloc(8 * mebi));
  // Probes while it lives do no harm.
  await until(() => client.seen.filter((type) => type === "ping").length >= 2);
  socket.destroy();
  assert.equal((await session.closed).reason, "lost");
  assert.equal(streams[0]?.destroyed, true);
});

test("a connection that takes one byte at a time gets the same bytes", async () => {
  const received: number[] = [];
  const connection = new Duplex({
    read() {},
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      received.push(...chunk);
      setImmediate(done);
    },
  });
  const session = new SpdySession(connection, {
    onStream: (offer) => {
      const stream = offer.accept();
      stream.write("ab");
      stream.end("c", () => connection.push(null));
    },
  });
  const client = new SpdyClient(new PassThrough());
  connection.push(synStreamFrame(1, client.headerBlock({})));
  await session.closed;
  const bytes = Buffer.from(received);
  const reply = bytes.subarray(0, 28);
  assert.equal(reply.readUInt16BE(2), frameType.synReply);
  const goaway = Buffer.from("80030007000000080000000100000000", "hex");
  assert.deepEqual(bytes.subarray(-16), goaway);
  const data = bytes.subarray(reply.length, -16).toString("hex");
  assert.equal(data, "0000000100000002" + "6162" + "0000000100000001" + "63" + "0000000101000000");
});
