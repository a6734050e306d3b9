import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { demux } from "../../../src/docker/demux.js";

const frame = (type: number, text: string, length = Buffer.byteLength(text)): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(length, 4);
  return Buffer.concat([header, Buffer.from(text)]);
};

/** What a reader gets, joined by stream and in order of the first byte of each run. */
async function read(source: Readable): Promise<string> {
  const runs: { stream: string; data: Buffer[] }[] = [];
  for await (const { stream, data } of demux(source)) {
    const last = runs.at(-1);
    if (last?.stream === stream) last.data.push(data);
    else runs.push({ stream, data: [data] });
  }
  return runs.map(({ stream, data }) => `${stream}:${Buffer.concat(data).toString()}`).join("|");
}

/** The same bytes, a piece of that size at a time. */
const inPieces = (bytes: Buffer, size: number): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      Buffer.from(bytes.subarray(index * size, (index + 1) * size)),
    ),
  );

const conversation = Buffer.concat([
  frame(1, "out one\n"),
  frame(2, "err\n"),
  frame(1, ""),
  frame(0, "as stdin\n"),
  frame(1, "größe 漢字\n"),
]);

for (const size of [1, 2, 3, 7, 8, 9, 16, 1000]) {
  test(`output arrives whole and in order when the network delivers ${size} bytes at a time`, async () => {
    assert.equal(
      await read(inPieces(conversation, size)),
      "stdout:out one\n|stderr:err\n|stdout:as stdin\ngröße 漢字\n",
    );
  });
}

test("a part of a frame is handed on before the rest has come", async () => {
  const source = new Readable({ read: () => undefined });
  const chunks = demux(source);
  source.push(frame(1, "hel", 5));
  assert.deepEqual((await chunks.next()).value, { stream: "stdout", data: Buffer.from("hel") });
  source.push(Buffer.from("lo"));
  assert.deepEqual((await chunks.next()).value, { stream: "stdout", data: Buffer.from("lo") });
  source.push(null);
  assert.equal((await chunks.next()).done, true);
});

test("no output is an empty stream", async () => assert.equal(await read(Readable.from([])), ""));

for (const [title, bytes, expected] of [
  ["inside a header", conversation.subarray(0, 5), ""],
  ["between header and payload", conversation.subarray(0, 8), ""],
  ["inside a payload", conversation.subarray(0, 11), "stdout:out"],
] as const) {
  test(`a stream that ends ${title} gives what came, and no error`, async () => {
    assert.equal(await read(inPieces(bytes, 4)), expected);
  });
}

for (const size of [1, 5, 1000]) {
  test(`a complaint of the daemon ends the stream with the daemon's words (${size} bytes at a time)`, async () => {
    const bytes = Buffer.concat([frame(1, "ok"), frame(3, "container is gone\n"), frame(1, "more")]);
    await assert.rejects(read(inPieces(bytes, size)), {
      name: "CriError",
      kind: "internal",
      message: "Docker broke the stream off: container is gone",
    });
  });
}

test("a complaint without words still ends the stream, and does not swallow what follows it", async () => {
  const seen: string[] = [];
  const bytes = Buffer.concat([frame(1, "before"), frame(3, ""), frame(1, "after")]);
  await assert.rejects(
    async () => {
      for await (const { data } of demux(inPieces(bytes, 1000))) seen.push(data.toString());
    },
    { kind: "internal", message: /^Docker broke the stream off/ },
  );
  assert.deepEqual(seen, ["before"]);
  await assert.rejects(
    read(inPieces(bytes, 1000)),
    (error) => error instanceof Error && !error.message.includes("after"),
  );
});

test("a complaint that is cut off is an error all the same", async () => {
  await assert.rejects(read(inPieces(frame(3, "container is", 100), 4)), {
    kind: "internal",
    message: "Docker broke the stream off: container is",
  });
});

test("a stream that is not multiplexed is reported as out of step instead of read as rubbish", async () => {
  await assert.rejects(read(Readable.from([Buffer.from("hello, world")])), {
    kind: "internal",
    message: "Docker's stream is out of step: frame type 104",
  });
});

test("an error of the connection reaches the reader", async () => {
  const source = new Readable({ read: () => undefined });
  source.push(frame(1, "a"));
  setImmediate(() => source.destroy(new Error("connection reset")));
  await assert.rejects(read(source), /connection reset/);
});
