import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { StreamResetError } from "../../../../src/streaming/spdy/errors.js";
import * as frames from "../../../../src/streaming/spdy/frames.js";
import { SpdySession, type StreamOffer } from "../../../../src/streaming/spdy/session.js";
import type { SpdyStream } from "../../../../src/streaming/spdy/stream.js";
import { type ClientStream, SpdyClient, synStreamFrame } from "../../../support/spdy-client.js";
import { readAll, socketPair, startSession } from "./pair.js";

test("streams are opened one after another, found by lower-case header, and carry data both ways", async (t) => {
  const { client, streams, session } = await startSession(t);
  for (const [index, streamType] of ["error", "stdin", "stdout"].entries()) {
    const opened = await client.open({ streamType });
    assert.equal(opened.id, 2 * index + 1);
    assert.equal(streams[index]?.id, opened.id);
    assert.equal(streams[index]?.header("streamType"), streamType);
    streams[index]?.on("data", (data: Buffer) => streams[index]?.write(data));
    streams[index]?.on("end", () => streams[index]?.end());
    const answer = opened.collect();
    await opened.write(`to ${streamType}`);
    await opened.fin();
    assert.equal((await answer).toString(), `to ${streamType}`);
    assert.equal(await opened.ended, "fin");
  }
  assert.equal(session.openStreams, 0);
  assert.deepEqual(client.faults, []);
});

test("every frame may come byte by byte, and many in one piece", async (t) => {
  const { client, streams } = await startSession(t);
  const bytes = Buffer.concat([
    synStreamFrame(1, client.headerBlock({ streamtype: "stdin" })),
    frames.dataHeader(1, 5),
    Buffer.from("hello"),
    frames.dataHeader(1, 0, true),
    frames.pingFrame(1),
  ]);
  for (const byte of bytes) {
    await client.send(Buffer.from([byte]));
    await delay(1);
  }
  await client.ping(3);
  assert.equal(String(await readAll(streams[0]!)), "hello");
  await client.send(Buffer.concat([frames.pingFrame(5), frames.pingFrame(7), frames.pingFrame(9)]));
  await client.ping(11);
  assert.equal(client.seen.filter((type) => type === "ping").length, 6);
});

test("bytes that came with the upgrade request are the first of the session", async (t) => {
  const { server, client: socket } = await socketPair(t);
  const client = new SpdyClient(socket);
  const head = synStreamFrame(1, client.headerBlock({ streamtype: "error" }));
  const offered = new Promise<string | undefined>((resolve) => {
    new SpdySession(server, { head, onStream: (offer) => resolve(offer.accept().header("streamtype")) });
  });
  assert.equal(await offered, "error");
});

test("a half-close ends one direction and leaves the other", async (t) => {
  const { client, streams, session } = await startSession(t);
  const opened = await client.open({ streamtype: "data" });
  const answer = opened.collect();
  await opened.write("question");
  await opened.fin();
  assert.equal(String(await readAll(streams[0]!)), "question");
  assert.equal(session.openStreams, 1);
  streams[0]?.end("answer after the end");
  assert.equal((await answer).toString(), "answer after the end");

  const second = await client.open({ streamtype: "data" });
  streams[1]?.end();
  assert.equal(await second.ended, "fin");
  await second.write("still heard");
  await second.fin();
  assert.equal(String(await readAll(streams[1]!)), "still heard");
  await client.ping();
  assert.equal(session.openStreams, 0);
});

test("a stream opened with FIN sends nothing but can be written to", async (t) => {
  const { client, streams } = await startSession(t);
  const opened = await client.open({ streamtype: "error" }, { fin: true });
  assert.equal(String(await readAll(streams[0]!)), "");
  streams[0]?.end("failure");
  assert.equal((await opened.collect()).toString(), "failure");
});

const refusals: { title: string; onStream: (offer: StreamOffer) => void; status: number }[] = [
  { title: "refused with CANCEL unless told otherwise", onStream: (offer) => offer.refuse(), status: 5 },
  { title: "refused with the status given", onStream: (offer) => offer.refuse(1), status: 1 },
  { title: "refused when nobody decides", onStream: () => {}, status: 3 },
];
for (const { title, onStream, status } of refusals) {
  test(`a stream is ${title}, and those after it are still understood`, async (t) => {
    const streams: SpdyStream[] = [];
    const { client } = await startSession(t, {
      onStream: (offer) => {
        if (offer.header("streamtype") === "bad") onStream(offer);
        else streams.push(offer.accept());
      },
    });
    await assert.rejects(client.open({ streamtype: "bad" }), { message: `refused with status ${status}` });
    await client.open({ streamtype: "bad again".slice(0, 3) }).catch(() => {});
    await client.open({ streamtype: "good" });
    assert.deepEqual(streams.map((stream) => stream.header("streamtype")), ["good"]); // prettier-ignore
    assert.deepEqual(client.faults, []);
  });
}

test("an offer cannot be accepted later", async (t) => {
  let late: StreamOffer | undefined;
  const { client } = await startSession(t, { onStream: (offer) => (late = offer) });
  await assert.rejects(client.open({}), { message: "refused with status 3" });
  assert.throws(() => late?.accept());
});

test("only so many streams are open at a time", async (t) => {
  const { client, streams } = await startSession(t, { maxStreams: 2 });
  await client.open({});
  await client.open({});
  await assert.rejects(client.open({}), { message: "refused with status 3" });
  streams[0]?.reset();
  await client.open({});
});

test("stream ids must rise; gaps are fine", async (t) => {
  const { client, streams } = await startSession(t);
  await client.send(synStreamFrame(9, client.headerBlock({ n: "9" })));
  await client.send(synStreamFrame(9, client.headerBlock({ n: "again" })));
  await client.send(synStreamFrame(7, client.headerBlock({ n: "7" })));
  await client.send(synStreamFrame(0x80000001, client.headerBlock({ n: "big" })));
  await client.send(synStreamFrame(11, client.headerBlock({ n: "11" }), frames.flagUnidirectional));
  await client.send(synStreamFrame(13, client.headerBlock({ n: "13" })));
  await client.ping();
  assert.deepEqual(streams.map(({ id }) => id), [9, 13]); // prettier-ignore
  assert.deepEqual(client.seen, [
    "synReply", "rstStream", "rstStream", "rstStream", "rstStream", "synReply", "ping",
  ]); // prettier-ignore
});

test("a stream that the client resets fails with its status, is not answered, and may go unheard", async (t) => {
  const { client, streams, session } = await startSession(t);
  const [first, second] = [await client.open({}), await client.open({})];
  const failed = once(streams[0]!, "error");
  await first.reset(8);
  await second.reset();
  const [error] = (await failed) as [StreamResetError];
  assert.ok(error instanceof StreamResetError);
  assert.equal(error.status, 8);
  await first.write("late data is ignored");
  await client.send(frames.rstStreamFrame(99, 5));
  await client.ping();
  assert.equal(streams[1]?.destroyed, true);
  assert.equal(session.openStreams, 0);
  assert.ok(!client.seen.includes("rstStream"));
});

test("a stream reset here ends at the client; what was written before arrives", async (t) => {
  const { client, streams } = await startSession(t);
  const opened: ClientStream = await client.open({});
  await new Promise((resolve) => streams[0]?.write("before", resolve));
  streams[0]?.reset();
  assert.equal((await opened.collect()).toString(), "before");
  assert.equal(await opened.ended, "reset");
  assert.equal(opened.resetStatus, frames.rst.cancel);
  const other = await client.open({});
  streams[1]?.destroy();
  assert.equal(await other.ended, "reset");
});

test("pings are echoed, and echoes of ours are not", async (t) => {
  const { client } = await startSession(t);
  await client.send(frames.pingFrame(2));
  await client.ping(0xffffffff);
  assert.deepEqual(client.seen, ["ping"]);
});

test("SETTINGS, WINDOW_UPDATE, HEADERS, SYN_REPLY and data for nobody are taken and change nothing", async (t) => {
  const { client, streams } = await startSession(t);
  await client.send(Buffer.from("800300040000000c000000010000000700010000", "hex"));
  await client.send(Buffer.from("80030009000000080000000100010000", "hex"));
  await client.send(Buffer.concat([frames.dataHeader(77, 4), Buffer.from("lost")]));
  const late = frames.synReplyFrame(5, client.headerBlock({ some: "thing" }));
  await client.send(late);
  const opened = await client.open({ streamtype: "stdin" });
  const headersFrame = frames.synReplyFrame(opened.id, client.headerBlock({ other: "thing" }), true);
  headersFrame.writeUInt8(frames.frameType.headers, 3);
  await client.send(headersFrame);
  assert.equal(String(await readAll(streams[0]!)), "");
  assert.equal((await client.open({ streamtype: "next" })).id, 3);
  assert.equal(streams[1]?.header("streamtype"), "next");
});

const zlibStart = Buffer.from("78f9e3c6a7c2", "hex");
const broken: { title: string; bytes: Buffer }[] = [
  { title: "an unknown frame type", bytes: Buffer.from("8003000500000000", "hex") },
  { title: "HTTP", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: here\r\n\r\n").fill(0x80, 0, 1) },
  { title: "a control frame of 16 MiB", bytes: Buffer.from("8003000100ffffff", "hex") },
  { title: "data for stream 0", bytes: Buffer.from("000000000000000161", "hex") },
  {
    title: "a header block that is not compressed",
    bytes: synStreamFrame(3, Buffer.from("0000000000", "hex")),
  },
  {
    title: "a zip bomb",
    bytes: synStreamFrame(3, Buffer.concat([zlibStart, deflateRawSync(Buffer.alloc(2 ** 23))])),
  },
];
for (const { title, bytes } of broken) {
  test(`${title} ends the session with GOAWAY, and its streams with an error`, async (t) => {
    const { server, client: socket } = await socketPair(t);
    const streams: SpdyStream[] = [];
    const onStream = (offer: StreamOffer) => streams.push(offer.accept());
    const session = new SpdySession(server, { onStream, closeTimeout: 1000 });
    const client = new SpdyClient(socket);
    // Zip bombs come first in their direction, without a stream before them.
    const opened =
      title.includes("header block") || title.includes("bomb") ? undefined : await client.open({});
    await client.send(bytes);
    const { status, lastGoodStreamId } = await client.goaway;
    assert.equal(status, frames.goawayStatus.protocolError);
    assert.equal(lastGoodStreamId, opened ? 1 : 0);
    // What still comes is read and dropped, so that the GOAWAY is not taken back.
    await client.send(Buffer.alloc(300_000));
    client.connection.end();
    const { reason, error } = await session.closed;
    assert.equal(reason, "protocol");
    for (const stream of streams) assert.equal(stream.errored, error);
    assert.deepEqual(client.faults, []);
  });
}

test("an error in onStream ends the session and is its reason", async (t) => {
  const { client, session } = await startSession(t, {
    onStream: () => {
      throw new Error("a bug");
    },
  });
  await assert.rejects(client.open({}));
  assert.equal((await client.goaway).status, frames.goawayStatus.internalError);
  client.connection.end();
  const { reason, error } = await session.closed;
  assert.deepEqual([reason, error?.message], ["aborted", "a bug"]);
});
