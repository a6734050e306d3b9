import assert from "node:assert/strict";
import { test } from "node:test";
import { SpdyProtocolError } from "../../../../src/streaming/spdy/errors.js";
import { FrameParser, maxControlLength } from "../../../../src/streaming/spdy/frame-parser.js";
import * as frames from "../../../../src/streaming/spdy/frames.js";
import { HeaderWriter } from "../../../../src/streaming/spdy/headers.js";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const blockA1 = "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff";
const emptyPayload = Buffer.alloc(0);

const vectors: { title: string; bytes: Buffer; frame: frames.Frame }[] = [
  {
    title: "SYN_STREAM",
    bytes: hex(`800300010000002800000001000000000000 ${blockA1}`),
    frame: { type: "synStream", streamId: 1, fin: false, unidirectional: false, block: hex(blockA1) },
  },
  {
    title: "SYN_STREAM with both flags",
    bytes: hex("80030001 0300000a 00000003 00000000 e000"),
    frame: { type: "synStream", streamId: 3, fin: true, unidirectional: true, block: emptyPayload },
  },
  {
    title: "SYN_STREAM with an id over 2^31 - 1, for the session to refuse",
    bytes: hex("80030001 0000000a 80000001 00000000 0000"),
    frame: {
      type: "synStream",
      streamId: 0x80000001,
      fin: false,
      unidirectional: false,
      block: emptyPayload,
    },
  },
  {
    title: "SYN_REPLY",
    bytes: hex("80030002 00000014 00000001 78f9e3c6a7c202a6230600000000ffff"),
    frame: { type: "synReply", streamId: 1, fin: false, block: hex("78f9e3c6a7c202a6230600000000ffff") },
  },
  {
    title: "HEADERS with FIN",
    bytes: hex("80030008 01000005 00000001 aa"),
    frame: { type: "headers", streamId: 1, fin: true, block: hex("aa") },
  },
  {
    title: "DATA",
    bytes: hex("000000050000000568656c6c6f"),
    frame: { type: "data", streamId: 5, payload: Buffer.from("hello"), fin: false },
  },
  {
    title: "an empty DATA with FIN",
    bytes: hex("0000000501000000"),
    frame: { type: "data", streamId: 5, payload: emptyPayload, fin: true },
  },
  {
    title: "RST_STREAM",
    bytes: hex("80030003000000080000000500000005"),
    frame: { type: "rstStream", streamId: 5, status: 5 },
  },
  { title: "PING", bytes: hex("800300060000000400000001"), frame: { type: "ping", id: 1 } },
  {
    title: "GOAWAY",
    bytes: hex("80030007000000080000000700000000"),
    frame: { type: "goaway", lastGoodStreamId: 7, status: 0 },
  },
  { title: "SETTINGS", bytes: hex("800300040000000c000000010000000700010000"), frame: { type: "ignored" } },
  { title: "WINDOW_UPDATE", bytes: hex("80030009000000080000000100010000"), frame: { type: "ignored" } },
  {
    title: "WINDOW_UPDATE of the session",
    bytes: hex("80030009000000080000000000010000"),
    frame: { type: "ignored" },
  },
];

const parse = (...pieces: Buffer[]): frames.Frame[] => {
  const parser = new FrameParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]);
};

for (const { title, bytes, frame } of vectors) {
  test(`the parser reads ${title}, whole and byte by byte`, () => {
    assert.deepEqual(parse(bytes), [frame]);
    const parser = new FrameParser();
    const pieces = [...bytes].flatMap((byte) => [...parser.push(Buffer.from([byte]))]);
    if (frame.type !== "data") assert.deepEqual(pieces, [frame]);
    assert.deepEqual(joined(pieces), [frame]);
    assert.equal(parser.midFrame, false);
    assert.equal(parser.held, 0);
  });
}

/** Pieces of one DATA frame put together; of several frames of a stream only if the first has no FIN. */
function joined(pieces: frames.Frame[]): frames.Frame[] {
  const result: frames.Frame[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    if (piece.type === "data" && last?.type === "data" && last.streamId === piece.streamId && !last.fin) {
      last.payload = Buffer.concat([last.payload, piece.payload]);
      last.fin = piece.fin;
    } else result.push({ ...piece });
  }
  return result;
}

test("the parser reads all frames in a row, cut at every place", () => {
  const all = Buffer.concat(vectors.map(({ bytes }) => bytes));
  const wanted = vectors.map(({ frame }) => frame);
  for (let at = 0; at <= all.length; at += 1) {
    const got = joined(parse(all.subarray(0, at), all.subarray(at)));
    assert.deepEqual(got, joined(wanted), `cut at ${at}`);
  }
});

test("the parser passes the longest DATA frame on piece by piece, with FIN on the last", () => {
  const length = 2 ** 24 - 1;
  const parser = new FrameParser();
  const piece = Buffer.alloc(65536, 7);
  assert.deepEqual([...parser.push(frames.dataHeader(9, length, true))], []);
  let total = 0;
  while (total < length) {
    const part = piece.subarray(0, length - total);
    const [frame, ...others] = parser.push(part);
    total += part.length;
    assert.deepEqual(others, []);
    assert.deepEqual(frame, { type: "data", streamId: 9, payload: part, fin: total === length });
    assert.equal(parser.held, 0);
    assert.equal(parser.midFrame, total < length);
  }
});

test("the parser keeps no more of a control frame than it may have", () => {
  const parser = new FrameParser();
  const header = hex("80030001 00000000");
  header.writeUIntBE(maxControlLength, 5, 3);
  assert.deepEqual([...parser.push(header)], []);
  assert.deepEqual([...parser.push(Buffer.alloc(maxControlLength - 1, 1))], []);
  assert.equal(parser.held, maxControlLength - 1);
  assert.equal([...parser.push(Buffer.alloc(1))].length, 1);
});

const refused = [
  { title: "another version", bytes: "80020006 00000004 00000001" },
  { title: "type 0", bytes: "80030000 00000004 00000001" },
  { title: "type 5, which SPDY/3 dropped", bytes: "80030005 00000000" },
  { title: "type 10", bytes: "8003000a 00000004 00000001" },
  { title: "a control frame over the limit, at its header", bytes: "80030001 00004001" },
  { title: "the longest control frame", bytes: "80030001 00ffffff" },
  { title: "a SYN_STREAM too short for its fields", bytes: "80030001 00000009 000000010000000000" },
  { title: "a SYN_STREAM for stream 0", bytes: "80030001 0000000a 00000000 00000000 0000" },
  { title: "a SYN_REPLY for stream 0", bytes: "80030002 00000004 00000000" },
  { title: "a SYN_REPLY too short", bytes: "80030002 00000003 000000" },
  { title: "HEADERS for stream 0", bytes: "80030008 00000004 00000000" },
  { title: "DATA for stream 0", bytes: "00000000 00000001 61" },
  { title: "RST_STREAM for stream 0", bytes: "80030003 00000008 00000000 00000005" },
  { title: "RST_STREAM with status 0", bytes: "80030003 00000008 00000001 00000000" },
  { title: "RST_STREAM too long", bytes: "80030003 0000000c 00000001 00000005 00000000" },
  { title: "an empty RST_STREAM", bytes: "80030003 00000000" },
  { title: "PING with id 0", bytes: "80030006 00000004 00000000" },
  { title: "PING with flags", bytes: "80030006 01000004 00000001" },
  { title: "PING too long", bytes: "80030006 00000008 0000000100000000" },
  { title: "GOAWAY with flags", bytes: "80030007 01000008 0000000100000000" },
  { title: "GOAWAY of SPDY/2, without a status", bytes: "80030007 00000004 00000001" },
  { title: "GOAWAY too long", bytes: "80030007 00000009 000000010000000000" },
  { title: "WINDOW_UPDATE with flags", bytes: "80030009 01000008 0000000100000001" },
  { title: "WINDOW_UPDATE too long", bytes: "80030009 00000009 000000010000000100" },
  { title: "SETTINGS without a count", bytes: "80030004 00000003 000000" },
  { title: "SETTINGS that claim more than they have", bytes: "80030004 0000000c 00000002 0000000700010000" },
  { title: "SETTINGS that claim 2^32 - 1 entries", bytes: "80030004 00000004 ffffffff" },
];
for (const { title, bytes } of refused) {
  test(`the parser refuses ${title}, after the frames before it and for good`, () => {
    const parser = new FrameParser();
    const got: frames.Frame[] = [];
    const push = () => {
      for (const frame of parser.push(Buffer.concat([frames.pingFrame(3), hex(bytes)]))) got.push(frame);
    };
    assert.throws(push, SpdyProtocolError);
    assert.deepEqual(got, [{ type: "ping", id: 3 }]);
    assert.throws(() => [...parser.push(frames.pingFrame(5))], SpdyProtocolError);
  });
}

const written: [string, Buffer, string][] = [
  ["RST_STREAM", frames.rstStreamFrame(5, frames.rst.cancel), "80030003000000080000000500000005"],
  ["PING", frames.pingFrame(1), "800300060000000400000001"],
  ["GOAWAY", frames.goawayFrame(7, frames.goawayStatus.ok), "80030007000000080000000700000000"],
  ["FIN", frames.dataHeader(5, 0, true), "0000000501000000"],
  ["DATA", Buffer.concat([frames.dataHeader(5, 5), Buffer.from("hello")]), "00000005 00000005 68656c6c6f"],
  ["a header of the longest DATA", frames.dataHeader(0x7fffffff, 0xffffff, true), "7fffffff 01ffffff"],
];
for (const [title, bytes, wanted] of written) {
  test(`${title} is written as it should be`, () => assert.deepEqual(bytes, hex(wanted)));
}

test("SYN_REPLY is written with an empty block that continues the one before", () => {
  const writer = new HeaderWriter();
  const first = frames.synReplyFrame(1, writer.write());
  assert.deepEqual(first, hex("8003000200000014000000017801000400fbff00000000000000ffff"));
  const second = frames.synReplyFrame(3, writer.write());
  assert.deepEqual(second, hex("800300020000001200000003000400fbff00000000000000ffff"));
});
