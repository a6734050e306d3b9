import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { pack, type Header } from "tar-stream";
import { readArchive } from "../../../src/docker/archive.js";

type Entry = Partial<Header> & Pick<Header, "name">;

/** Docker's reply for one path. */
async function reply(
  entries: [Entry, string?][],
  stat: object = {},
  cut = Infinity,
): Promise<IncomingMessage> {
  const packing = pack();
  for (const [header, content] of entries) packing.entry(header, content ?? "");
  packing.finalize();
  const tar = (await buffer(packing)).subarray(0, cut);
  const size = entries[0]?.[1]?.length ?? 0;
  const header = Buffer.from(JSON.stringify({ name: "x", size, linkTarget: "", ...stat })).toString("base64");
  return Object.assign(Readable.from([tar.subarray(0, 700), tar.subarray(700)]), {
    headers: { "x-docker-container-path-stat": header },
  }) as unknown as IncomingMessage;
}

const content = "root:x:0:0\ngröße:x:1:1\n".repeat(50);

test("a file is its bytes", async () => {
  const found = await readArchive(await reply([[{ name: "passwd" }, content]]), 10_000);
  assert.deepEqual(found, { kind: "file", content: Buffer.from(content) });
});

test("an empty file is a file", async () => {
  assert.deepEqual(await readArchive(await reply([[{ name: "passwd" }]]), 10), {
    kind: "file",
    content: Buffer.alloc(0),
  });
});

test("a file of exactly the limit is read, and one of a byte more refused", async () => {
  const size = 50_000;
  const big = "x".repeat(size);
  const { kind } = await readArchive(await reply([[{ name: "passwd" }, big]]), size);
  assert.equal(kind, "file");
  await assert.rejects(readArchive(await reply([[{ name: "passwd" }, big]]), size - 1), {
    kind: "exhausted",
    message: /50000 bytes are more than 49999/,
  });
});

test("a link is where it ends in the end, as Docker says", async () => {
  const link: Entry = { name: "passwd", type: "symlink", linkname: "../x/passwd" };
  assert.deepEqual(await readArchive(await reply([[link]], { linkTarget: "/usr/x/passwd" }), 10), {
    kind: "link",
    target: "/usr/x/passwd",
  });
});

test("a directory is none of its files, however much is in it", async () => {
  const entries: [Entry, string?][] = [
    [{ name: "passwd/", type: "directory" }],
    [{ name: "passwd/a" }, "x".repeat(100_000)],
  ];
  assert.deepEqual(await readArchive(await reply(entries), 10), { kind: "other", type: "directory" });
});

test("a pipe is no file", async () => {
  const fifo: Entry = { name: "passwd", type: "fifo" };
  assert.deepEqual(await readArchive(await reply([[fifo]]), 10), { kind: "other", type: "fifo" });
});

for (const [title, cut] of [
  ["within its header", 300],
  ["within the file", 1000],
  ["before anything", 0],
] as const) {
  test(`a reply that breaks off ${title} is an error, and no shorter file`, async () => {
    await assert.rejects(readArchive(await reply([[{ name: "passwd" }, content]], {}, cut), 10_000));
  });
}

test("the connection is not kept busy by what is not read", async () => {
  const source = await reply([[{ name: "passwd", type: "symlink", linkname: "x" }]], { linkTarget: "/x" });
  await readArchive(source, 10);
  assert.equal(source.destroyed, true);
});
