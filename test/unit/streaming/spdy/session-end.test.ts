import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import * as frames from "../../../../src/streaming/spdy/frames.js";
import { readAll, startSession } from "./pair.js";

const mebi = 2 ** 20;

test("finish ends streams after their data, and waits for a slow client that sends pings", async (t) => {
  const { client, streams, session } = await startSession(t);
  const opened = await Promise.all(
    ["error", "stdin", "stdout"].map((streamtype) => client.open({ streamtype })),
  );
  client.pause();
  streams[2]?.write(Buffer.alloc(24 * mebi, 7));
  const finished = session.finish();
  for (let id = 1; id < 200; id += 2) await client.send(frames.pingFrame(id));
  await opened[1]?.write(Buffer.alloc(mebi));
  await delay(100);
  const output = opened[2]!.digest();
  client.resume();
  await client.ping(1001);
  assert.equal((await output).bytes, 24 * mebi);
  assert.deepEqual(await Promise.all(opened.map(({ ended }) => ended)), ["fin", "fin", "fin"]);
  assert.equal(client.seen.filter((type) => type === "ping").length, 101);
  await client.leave();
  assert.deepEqual(await finished, { reason: "finished" });
  assert.deepEqual(client.faults, []);
});

test("while a session finishes, new streams are refused", async (t) => {
  const { client, session } = await startSession(t);
  void session.finish();
  await assert.rejects(client.open({}), { message: "refused with status 3" });
  await client.leave();
  assert.equal((await session.closed).reason, "finished");
});

test("a client that does not leave after finish is sent GOAWAY when its time is over", async (t) => {
  const { client, streams, session } = await startSession(t, { lingerTimeout: 200, closeTimeout: 100 });
  const opened = await client.open({});
  const start = performance.now();
  streams[0]?.end("output");
  void session.finish();
  assert.equal((await opened.collect()).toString(), "output");
  assert.deepEqual(await client.goaway, { type: "goaway", lastGoodStreamId: 1, status: 0 });
  assert.ok(performance.now() - start >= 190);
  // It ignores even that: the connection is destroyed.
  assert.equal((await session.closed).reason, "finished");
  assert.deepEqual(client.faults, []);
});

test("a client that still takes data is not out of time", async (t) => {
  const { client, streams, session } = await startSession(t, { lingerTimeout: 150 });
  const opened = await client.open({});
  const size = 8 * mebi;
  streams[0]?.end(Buffer.alloc(size));
  const finished = session.finish();
  let bytes = 0;
  // About a MiB every 50 ms: longer in all than the linger timeout.
  opened.onData((data) => {
    const last = Math.floor(bytes / mebi);
    bytes += data.length;
    if (Math.floor(bytes / mebi) === last) return;
    client.pause();
    setTimeout(() => client.resume(), 50);
  });
  assert.equal(await opened.ended, "fin");
  assert.equal(bytes, size);
  await client.leave();
  assert.equal((await finished).reason, "finished");
});

for (const how of ["GOAWAY", "an end of its bytes"]) {
  test(`a client that leaves with ${how} ends what it sent, and fails later writes`, async (t) => {
    const { client, streams, session } = await startSession(t);
    const [stdin] = [await client.open({ streamtype: "stdin" }), await client.open({ streamtype: "stdout" })];
    await stdin.write("input");
    await client.ping();
    if (how === "GOAWAY") await client.send(frames.goawayFrame(0, 0));
    client.connection.end();
    assert.deepEqual(await session.closed, { reason: "client" });
    assert.equal(String(await readAll(streams[0]!)), "input");
    const failed = once(streams[1]!, "error");
    streams[1]?.write("output");
    const [error] = (await failed) as [NodeJS.ErrnoException];
    assert.equal(error.code, "EPIPE");
    assert.equal(session.openStreams, 0);
  });
}

test("streams opened after the client's GOAWAY are ignored", async (t) => {
  const { client, streams, session } = await startSession(t);
  const block = client.headerBlock({});
  await client.send(Buffer.concat([frames.goawayFrame(0, 0), frames.pingFrame(1), block]));
  client.connection.end();
  await session.closed;
  assert.equal(streams.length, 0);
  assert.deepEqual(client.seen, ["goaway"]);
});

const losses = ["the client is gone", "it ends inside a frame", "it fails here"] as const;
for (const how of losses) {
  test(`when ${how}, all streams end with an error, once`, async (t) => {
    const { client, streams, session, server } = await startSession(t);
    await Promise.all([client.open({}), client.open({}), client.open({})]);
    const errors: Error[] = [];
    for (const stream of streams) stream.on("error", (error) => errors.push(error));
    streams[0]?.on("data", () => {});
    streams[1]?.write(Buffer.alloc(4 * mebi));
    if (how === "the client is gone") {
      // Unread data makes the kernel answer with a reset.
      client.pause();
      await delay(50);
      client.connection.destroy();
    } else if (how === "it ends inside a frame") {
      await client.send(Buffer.from("0000000100", "hex"));
      client.connection.end();
    } else server.destroy(new Error("cable"));
    const end = await session.closed;
    await delay(20);
    assert.equal(end.reason, "lost");
    assert.ok(end.error);
    assert.equal(errors.length, 3);
    assert.ok(streams.every((stream) => stream.destroyed));
    assert.deepEqual(await session.finish(), end);
    assert.deepEqual(await session.abort(new Error("late")), end);
  });
}

test("a session where nothing happens is ended; pings are something", async (t) => {
  const { client, streams, session } = await startSession(t, { idleTimeout: 200, closeTimeout: 100 });
  const opened = await client.open({});
  const start = performance.now();
  for (let id = 1; id <= 13; id += 2) {
    await client.ping(id);
    await delay(50);
  }
  assert.equal(streams[0]?.destroyed, false);
  assert.equal(await opened.ended, "reset");
  assert.ok(performance.now() - start > 500);
  assert.equal((await client.goaway).status, 0);
  const { reason, error } = await session.closed;
  assert.equal(reason, "idle");
  assert.equal(streams[0]?.errored, error);
  assert.deepEqual(client.faults, []);
});

test("abort resets all streams, says GOAWAY and closes even on a client that does not read", async (t) => {
  const { client, streams, session } = await startSession(t, { closeTimeout: 100 });
  await client.open({});
  client.pause();
  streams[0]?.write(Buffer.alloc(16 * mebi));
  await delay(50);
  const end = await session.abort(new Error("shutting down"));
  assert.deepEqual([end.reason, end.error?.message], ["aborted", "shutting down"]);
  assert.equal(streams[0]?.destroyed, true);
});
