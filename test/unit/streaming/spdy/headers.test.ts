import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { constants, createDeflate, createInflate, deflateRawSync } from "node:zlib";
import { dictionary } from "../../../../src/streaming/spdy/dictionary.js";
import { SpdyProtocolError } from "../../../../src/streaming/spdy/errors.js";
import * as headers from "../../../../src/streaming/spdy/headers.js";
import { HeaderDeflater } from "../../../support/spdy-client.js";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

test("the dictionary is that of SPDY/3", () => {
  assert.equal(dictionary.length, 1423);
  const sha256 = createHash("sha256").update(dictionary).digest("hex");
  assert.equal(sha256, "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02");
});

const connectionA = [
  { block: "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff", pairs: { streamtype: "error" } },
  { block: "c22e555c02cc2e00000000ffff", pairs: { streamtype: "stdin" } },
  { block: "c22a054ce729f9a52500000000ffff", pairs: { streamtype: "stdout" } },
  {
    block: "02256348895e04623359180049ce2248fc6782f205a301865e50e19508000000ffff",
    pairs: { port: "80", requestid: "0", streamtype: "data" },
  },
  { block: "02d20c00000000ffff", pairs: {} },
];

test("header blocks of one connection are read one after another", () => {
  const reader = new headers.HeaderReader();
  for (const { block, pairs } of connectionA) {
    const got = [...reader.read(hex(block))].map(([name, values]) => [name, values[0]]);
    assert.deepEqual(Object.fromEntries(got), pairs);
  }
});

test("a block that was left out makes those after it unreadable, and is not forgotten", () => {
  const reader = new headers.HeaderReader();
  reader.read(hex(connectionA[0]?.block ?? ""));
  assert.throws(() => {
    for (const { block } of connectionA.slice(3)) reader.read(hex(block));
  }, SpdyProtocolError);
});

test("the first block may come from another zlib, or from one without the dictionary", () => {
  const wanted = new Map([["streamtype", ["error"]]]);
  const node = "78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff";
  assert.deepEqual(new headers.HeaderReader().read(hex(node)), wanted);
  const stored = new headers.HeaderWriter().write([["streamType", "error"]]);
  assert.deepEqual(new headers.HeaderReader().read(stored), wanted);
});

for (const level of [1, 6, 9]) {
  test(`blocks of a zlib stream of level ${level} are read far beyond its window`, async () => {
    const deflate = createDeflate({ level, dictionary });
    const reader = new headers.HeaderReader();
    const parts: Buffer[] = [];
    deflate.on("data", (part: Buffer) => parts.push(part));
    for (let round = 0; round < 150; round += 1) {
      const value = createHash("sha512")
        .update(String(round % 40))
        .digest("hex")
        .repeat(5);
      const pairs = [
        ["requestid", String(round)],
        ["value", value],
      ] as const;
      deflate.write(headers.writeBlock(pairs));
      await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
      const got = reader.read(Buffer.concat(parts.splice(0)));
      assert.deepEqual([...got], [["requestid", [String(round)]], ["value", [value]]]); // prettier-ignore
    }
    deflate.destroy();
  });
}

test("what is written is one zlib stream, with the dictionary at hand and without", async () => {
  const sent = [[], [["a", "b"]], [], [["streamType", "x".repeat(3000)]]] as [string, string][][];
  for (const options of [{}, { dictionary }]) {
    const inflate = createInflate({ ...options, finishFlush: constants.Z_SYNC_FLUSH });
    const writer = new headers.HeaderWriter();
    inflate.end(Buffer.concat(sent.map((pairs) => writer.write(pairs))));
    const parts: Buffer[] = [];
    inflate.on("data", (part: Buffer) => parts.push(part));
    await once(inflate, "end");
    assert.deepEqual(Buffer.concat(parts), Buffer.concat(sent.map((pairs) => headers.writeBlock(pairs))));
  }
});

test("an empty block is four zero bytes, and names are written in lower case", () => {
  assert.deepEqual(headers.writeBlock([]), Buffer.alloc(4));
  const plain = "000000010000000a73747265616d74797065000000056572726f72";
  assert.deepEqual(headers.writeBlock([["streamType", "error"]]), hex(plain));
});

test("several values of a name come apart at the NUL between them", () => {
  const plain = headers.writeBlock([["accept", "one\0two"]]);
  assert.deepEqual(headers.parseBlock(plain).get("accept"), ["one", "two"]);
});

const long = "v".repeat(headers.maxStringBytes);
test("a block at the limits is read", () => {
  const pairs = Array.from({ length: headers.maxPairs }, (_, index) => [`n${index}`, "v"] as const);
  assert.equal(headers.parseBlock(headers.writeBlock(pairs)).size, headers.maxPairs);
  assert.deepEqual(headers.parseBlock(headers.writeBlock([["n", long]])).get("n"), [long]);
});

const malformed: { title: string; plain: Buffer }[] = [
  { title: "nothing", plain: Buffer.alloc(0) },
  { title: "half a count", plain: Buffer.alloc(3) },
  { title: "a count without pairs", plain: hex("00000001") },
  { title: "a name that is cut short", plain: hex("000000010000000561") },
  { title: "a name without a value", plain: hex("000000010000000161") },
  { title: "a length of 2^32 - 1", plain: hex("00000001ffffffff61") },
  { title: "bytes behind the pairs", plain: hex("0000000061") },
  { title: "a count of 2^32 - 1", plain: hex("ffffffff") },
  {
    title: "one pair too many",
    plain: headers.writeBlock(Array.from({ length: 17 }, (_, i) => [`n${i}`, ""])),
  },
  { title: "a value that is too long", plain: headers.writeBlock([["n", `${long}v`]]) },
  { title: "a name that is too long", plain: headers.writeBlock([[`${long}v`, "v"]]) },
  { title: "an empty name", plain: headers.writeBlock([["", "v"]]) },
  { title: "a name in upper case", plain: hex("00000001000000014100000000") },
  { title: "a name in upper case beyond ASCII", plain: hex("0000000100000002c38400000000") },
  { title: "a name that comes twice", plain: headers.writeBlock([["n", "1"], ["n", "2"]]) }, // prettier-ignore
  ...["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding"].map((name) => ({
    title: `the header ${name}`,
    plain: headers.writeBlock([[name, "v"]]),
  })),
];
for (const { title, plain } of malformed) {
  test(`a header block with ${title} is refused`, () => {
    assert.throws(() => headers.parseBlock(plain), SpdyProtocolError);
    assert.throws(
      () => new headers.HeaderReader().read(new HeaderDeflater().deflate(plain)),
      SpdyProtocolError,
    );
  });
}

const stream = (deflated: Buffer): Buffer => Buffer.concat([hex("78f9e3c6a7c2"), deflated]);
const compressed: { title: string; block: Buffer }[] = [
  { title: "no bytes", block: Buffer.alloc(0) },
  { title: "one byte", block: hex("78") },
  { title: "half a zlib header", block: hex("78f9e3c6a7") },
  { title: "a zlib header alone", block: hex("78f9e3c6a7c2") },
  { title: "a wrong check in its zlib header", block: hex("78fae3c6a7c200000000ffff") },
  { title: "another method than deflate", block: hex("7701000400fbff00000000") },
  { title: "another dictionary", block: hex("78f90000000100000000ffff") },
  { title: "a plain block", block: hex("000000010000000a73747265616d74797065000000056572726f72") },
  { title: "a deflate block of an unknown kind", block: stream(hex("0700000000")) },
  { title: "half of what belongs to it", block: hex("78f9e3c6a7c202a62346703a2b294a") },
  {
    title: "bytes behind the end of its zlib stream",
    block: stream(Buffer.concat([deflateRawSync(Buffer.alloc(4)), Buffer.from("more")])),
  },
];
for (const { title, block } of compressed) {
  test(`a compressed block with ${title} is refused`, () => {
    assert.throws(() => new headers.HeaderReader().read(block), SpdyProtocolError);
  });
}

test("a zip bomb is refused after little work and with little memory", () => {
  // Deflate has 1032:1 to offer at most: this is as large as a control frame may be.
  const bomb = stream(deflateRawSync(Buffer.alloc(2 ** 24)));
  const start = performance.now();
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 100; round += 1) {
    assert.throws(() => new headers.HeaderReader().read(bomb), SpdyProtocolError);
  }
  // All of it would be 1.6 GiB.
  assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 2 ** 20);
  assert.ok(performance.now() - start < 5000);
});
