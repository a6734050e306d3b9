import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientBytes } from "../../../src/grpc/authority/client-bytes.js";
import { headerBlockAt } from "../../../src/grpc/authority/frames.js";
import { integer, literal } from "./hpack-codec.js";
import { chance } from "../../support/random.js";
import * as h2 from "./http2-frames.js";

const PATH = "/var/run/dockershim.sock";
const DASHED = "-var-run-dockershim.sock";

/** What a kubelet's first request has, and what its later ones have: indices into the dynamic table. */
const firstBlock = (authority: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x86]),
    literal(4, "/runtime.v1alpha2.RuntimeService/Version", "added", true),
    literal(1, authority, "added", true),
    literal("te", "trailers", "added"),
  ]);
const laterBlock = (): Buffer =>
  Buffer.concat([Buffer.from([0x83, 0x86]), ...[64, 63, 62].map((i) => integer(i, 0x80, 7))]);

function splitAt(bytes: Buffer, sizes: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(1, sizes());
    // Copies: the code under test owns its chunks and may change them.
    chunks.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

/** What a server gets of a client's chunks, the end of the connection included. */
function received(chunks: readonly Buffer[]): Buffer {
  const stream = new ClientBytes();
  return Buffer.concat([...chunks.flatMap((chunk) => stream.push(chunk)), ...stream.release()]);
}

/** A connection as the client sends it, or as the server should see it. */
function connection(authority: string, acknowledgement: Buffer): Buffer {
  const body = Buffer.alloc(40_000, "/:authority/");
  return Buffer.concat([
    ...[h2.PREFACE, h2.SETTINGS, h2.WINDOW_UPDATE],
    ...[h2.headers(1, firstBlock(authority)), h2.data(1, body.subarray(0, 16_384)), acknowledgement, h2.PING],
    ...[h2.headers(3, laterBlock(), { padding: 20, priority: true }), h2.data(3, Buffer.alloc(0))],
    ...[h2.headers(5, firstBlock(authority), { pieces: 7 }), h2.data(5, body.subarray(0, 333))],
    ...[
      h2.headers(7, literal(63, authority, "never"), { pieces: 1, padding: 0 }),
      h2.frame(0x3, 0, 7, Buffer.alloc(4)),
    ],
    ...[
      h2.headers(9, firstBlock(authority), { padding: 255 }),
      h2.frame(0x63, 0xff, 9, body.subarray(0, 50)),
    ],
  ]);
}
const sent = connection(PATH, h2.SETTINGS_ACK);
const wanted = connection(DASHED, Buffer.alloc(0));

const chunkings = [
  { title: "in one piece", sizes: () => () => Infinity },
  { title: "one octet at a time", sizes: () => () => 1 },
  { title: "nine octets at a time", sizes: () => () => 9 },
  { title: "in pieces of 1000 octets", sizes: () => () => 1000 },
];
for (const { title, sizes } of chunkings) {
  test(`a connection that arrives ${title} is rewritten, frame by frame at the same places`, () => {
    assert.deepEqual(received(splitAt(sent, sizes())), wanted);
  });
}

test("a connection that arrives in random pieces is rewritten the same", () => {
  for (let seed = 0; seed < 200; seed++) {
    const choose = chance(seed);
    const chunks = splitAt(sent, () => 2 ** choose(14) - choose(3));
    assert.deepEqual(received(chunks), wanted, `seed ${seed}`);
  }
});

test("a connection cut off anywhere gives the server what came, rewritten where it could be", () => {
  const acknowledged = sent.indexOf(h2.SETTINGS_ACK, 24);
  for (let cut = 0; cut < sent.length; cut += cut < 400 || cut % 100 > 50 ? 1 : 7) {
    const bytes = received([Buffer.from(sent.subarray(0, cut))]);
    const dropped = cut >= acknowledged + 9 ? 9 : 0;
    assert.equal(bytes.length, cut - dropped, `cut at ${cut}`);
  }
});

test("a chunk without header blocks passes as the same buffer, whole", () => {
  const stream = new ClientBytes();
  stream.push(Buffer.concat([h2.PREFACE, h2.headers(1, firstBlock(PATH))]));
  const body = Buffer.alloc(3 * 1024 * 1024, 0x2f);
  const bytes = Buffer.concat(splitAt(body, () => 16_384).map((payload) => h2.frame(0x0, 0, 1, payload)));
  for (const chunk of splitAt(bytes, () => 65_536)) {
    const passed = stream.push(chunk);
    assert.equal(passed.length, 1);
    assert(passed[0]?.buffer === chunk.buffer && passed[0]?.length === chunk.length);
  }
});

test("only what cannot be judged yet is held: a header block does not hold the frames before it", () => {
  const stream = new ClientBytes();
  const block = h2.headers(1, firstBlock(PATH));
  const before = Buffer.concat([h2.PREFACE, h2.SETTINGS, h2.PING]);
  assert.deepEqual(Buffer.concat(stream.push(Buffer.concat([before, block.subarray(0, 20)]))), before);
  assert.deepEqual(stream.push(Buffer.from(block.subarray(20, -1))), []);
  const want = h2.headers(1, firstBlock(DASHED));
  assert.deepEqual(Buffer.concat(stream.push(Buffer.from(block.subarray(-1)))), want);
});

test("one acknowledgement of SETTINGS is kept from the server, and no other", () => {
  const start = [h2.PREFACE, h2.SETTINGS];
  const acks = [h2.SETTINGS_ACK, h2.SETTINGS_ACK, h2.SETTINGS_ACK];
  assert.deepEqual(
    received([Buffer.concat([...start, ...acks])]),
    Buffer.concat([...start, ...acks.slice(1)]),
  );
});

const verdicts = [
  { title: "nothing", bytes: [], verdict: "undecided" },
  { title: "half a preface", bytes: [h2.PREFACE.subarray(0, 12)], verdict: "undecided" },
  {
    title: "SETTINGS and WINDOW_UPDATE",
    bytes: [h2.SETTINGS, h2.WINDOW_UPDATE, h2.SETTINGS_ACK],
    verdict: "undecided",
  },
  {
    title: "half a header block",
    bytes: [h2.headers(1, firstBlock(PATH)).subarray(0, -1)],
    verdict: "undecided",
  },
  { title: "a valid authority", bytes: [h2.headers(1, firstBlock("localhost"))], verdict: "unacknowledged" },
  {
    title: "a valid authority and an acknowledgement",
    bytes: [h2.headers(1, firstBlock("localhost")), h2.SETTINGS_ACK],
    verdict: "transparent",
  },
  {
    title: "an acknowledgement and a valid authority",
    bytes: [h2.SETTINGS_ACK, h2.headers(1, firstBlock("localhost"))],
    verdict: "transparent",
  },
  {
    title: "no authority",
    bytes: [h2.SETTINGS_ACK, h2.headers(1, Buffer.from([0x83]))],
    verdict: "transparent",
  },
  { title: "a path authority", bytes: [h2.headers(1, firstBlock(PATH))], verdict: "rewriting" },
  { title: "a PING", bytes: [h2.PING], verdict: "rewriting" },
  { title: "DATA", bytes: [h2.data(1, Buffer.alloc(1))], verdict: "rewriting" },
  {
    title: "a PING behind a valid authority",
    bytes: [h2.SETTINGS_ACK, h2.headers(1, firstBlock("localhost")), h2.PING],
    verdict: "transparent",
  },
];
for (const { title, bytes, verdict } of verdicts) {
  test(`a client that has sent ${title} is ${verdict}`, () => {
    const all = Buffer.concat(
      title.includes("preface") || bytes.length === 0 ? bytes : [h2.PREFACE, ...bytes],
    );
    for (const size of [1, Infinity]) {
      const stream = new ClientBytes();
      for (const chunk of splitAt(all, () => size)) stream.push(chunk);
      assert.equal(stream.verdict, verdict);
    }
  });
}

const END_HEADERS_MISSING = h2.headers(1, firstBlock(PATH), { pieces: 10 }).subarray(0, 19);
const nonsense = [
  { title: "HTTP/1.1", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: /a/b\r\n\r\n") },
  { title: "a damaged preface", bytes: Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n/") },
  { title: "one wrong octet", bytes: Buffer.from("X") },
  { title: "a frame between HEADERS and CONTINUATION", frames: [END_HEADERS_MISSING, h2.PING] },
  {
    title: "a CONTINUATION of another stream",
    frames: [END_HEADERS_MISSING, h2.frame(0x9, h2.END_HEADERS, 3, Buffer.alloc(5))],
  },
  { title: "more padding than payload", frames: [h2.frame(0x1, 0xc, 1, Buffer.from([4, 0x2f, 0x2f]))] },
  { title: "a HEADERS frame too short for its priority", frames: [h2.frame(0x1, 0x24, 1, Buffer.alloc(4))] },
  { title: "a HEADERS frame above the maximum size", frames: [h2.frame(0x1, 0x4, 1, Buffer.alloc(16_385))] },
  { title: "a DATA frame above the maximum size", frames: [h2.data(1, Buffer.alloc(16_385))] },
  { title: "a bad header block", frames: [h2.headers(1, Buffer.from([0x80]))] },
  {
    title: "a header block without end",
    frames: Array.from({ length: 6 }, (_, index) =>
      h2.frame(index === 0 ? 0x1 : 0x9, 0, 1, Buffer.alloc(16_384)),
    ),
  },
];
for (const { title, bytes, frames = [] } of nonsense) {
  test(`${title} is left to the server, and so is everything behind it`, () => {
    const all = bytes ?? Buffer.concat([h2.PREFACE, ...frames]);
    const behind = h2.headers(9, firstBlock(PATH));
    for (const size of [1, 100, Infinity]) {
      const stream = new ClientBytes();
      const passed = splitAt(all, () => size).flatMap((chunk) => stream.push(chunk));
      assert.deepEqual(Buffer.concat(passed), all);
      assert.equal(stream.verdict, "transparent");
      assert.deepEqual(Buffer.concat(stream.push(Buffer.from(behind))), behind);
    }
  });
}

test("random and damaged connections never throw, and lose nothing but an acknowledgement", () => {
  const choose = chance(7540);
  for (let round = 0; round < 3_000; round++) {
    const bytes = Buffer.from(sent.subarray(choose(2) * 24, 20_000));
    for (let damage = choose(6); damage > 0; damage--) bytes[choose(600)] = choose(256);
    const lost = bytes.length - received(splitAt(bytes, () => 2 ** choose(14))).length;
    assert(lost === 0 || lost === 9, `${lost} octets lost in round ${round}`);
  }
});

test("what an incomplete header block waits for is never more than its next frame", () => {
  const bytes = h2.headers(1, firstBlock(PATH), { pieces: 10 });
  for (let length = 0; length < bytes.length; length++) {
    const block = headerBlockAt(bytes.subarray(0, length), 0);
    assert(block.kind === "incomplete" && block.wanted > length && block.wanted <= length + 19);
  }
});
