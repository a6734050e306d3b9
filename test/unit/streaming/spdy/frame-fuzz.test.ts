import assert from "node:assert/strict";
import { test } from "node:test";
import { SpdyProtocolError } from "../../../../src/streaming/spdy/errors.js";
import { FrameParser, maxControlLength } from "../../../../src/streaming/spdy/frame-parser.js";
import * as frames from "../../../../src/streaming/spdy/frames.js";
import { HeaderReader } from "../../../../src/streaming/spdy/headers.js";
import { chance } from "../../../support/random.js";
import { HeaderDeflater, synStreamFrame } from "../../../support/spdy-client.js";

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32);
const wantedFrames = 1_000_000;
const wantedBlocks = 20_000;

const block = new HeaderDeflater().write([
  ["streamtype", "data"],
  ["port", "80"],
  ["requestid", "0"],
]);
const data = (streamId: number, length: number, fin: boolean): Buffer =>
  Buffer.concat([frames.dataHeader(streamId, length, fin), Buffer.alloc(length, 0x61)]);
const settings = Buffer.from("800300040000000c000000010000000700010000", "hex");
const windowUpdate = Buffer.from("80030009000000080000000100010000", "hex");
const headersFrame = Buffer.from(frames.synReplyFrame(5, block, true));
headersFrame.writeUInt8(frames.frameType.headers, 3);
const legal = [
  ...[synStreamFrame(1, block), synStreamFrame(3, block, 1), frames.synReplyFrame(1, block), headersFrame],
  ...[frames.rstStreamFrame(5, 5), frames.pingFrame(1), frames.goawayFrame(7, 0), settings, windowUpdate],
  ...[data(1, 0, true), data(3, 1, false), data(5, 40, true), data(7, 300, false)],
];

/** Breaks one frame: bits, bytes, its length, its type, its end, or all of it. */
function mutate(frame: Buffer, below: (limit: number) => number): Buffer {
  const bytes = Buffer.from(frame);
  switch (below(7)) {
    case 0:
      bytes[below(bytes.length)]! ^= 1 << below(8);
      return bytes;
    case 1:
      for (let count = 1 + below(4); count > 0; count -= 1) bytes[below(bytes.length)] = below(256);
      return bytes;
    case 2:
      bytes.writeUIntBE(below(2) ? below(2 ** 24) : below(64), 5, 3);
      return bytes;
    case 3:
      bytes.writeUInt16BE(below(12), 2);
      return bytes;
    case 4:
      return bytes.subarray(0, below(bytes.length));
    case 5:
      bytes.writeUInt8(below(256), 4);
      return bytes;
    default:
      return Buffer.from(Array.from({ length: 1 + below(40) }, () => below(256)));
  }
}

test(`a million mutated frames end in frames or in a protocol error (FUZZ_SEED=${seed})`, () => {
  const below = chance(seed);
  let parser = new FrameParser();
  let [mutated, errors, parsed] = [0, 0, 0];
  while (mutated < wantedFrames) {
    // Mostly broken frames, a few sound ones so that the parser is often in step again.
    const count = 1 + below(8);
    const pieces = Array.from({ length: count }, () => {
      const frame = legal[below(legal.length)]!;
      if (below(5) === 0) return frame;
      mutated += 1;
      return mutate(frame, below);
    });
    const bytes = Buffer.concat(pieces);
    try {
      for (let at = 0; at < bytes.length;) {
        const chunk = bytes.subarray(at, at + 1 + below(below(4) === 0 ? 8 : 400));
        at += chunk.length;
        for (const frame of parser.push(chunk)) {
          parsed += 1;
          if (frame.type === "data") assert.ok(frame.payload.length <= chunk.length);
          else if ("block" in frame) assert.ok(frame.block.length <= maxControlLength);
        }
        assert.ok(parser.held < 8 + maxControlLength);
      }
      // A mutated length makes the parser swallow what follows as data: do not stay there for megabytes.
      if (parser.midFrame && below(3) === 0) parser = new FrameParser();
    } catch (error) {
      if (!(error instanceof SpdyProtocolError)) throw error;
      errors += 1;
      parser = new FrameParser();
    }
  }
  assert.ok(errors > wantedFrames / 100 && parsed > wantedFrames / 100, `${errors} errors, ${parsed} frames`);
});

test(`mutated header blocks end in headers or in a protocol error (FUZZ_SEED=${seed})`, () => {
  const below = chance(seed + 1);
  let [errors, read] = [0, 0];
  for (let round = 0; round < wantedBlocks; round += 1) {
    const deflater = new HeaderDeflater();
    const reader = new HeaderReader();
    try {
      for (let count = 1 + below(3); count > 0; count -= 1) {
        const sound = deflater.write([
          ["streamtype", String(below(1000))],
          ["n".repeat(1 + below(20)), "v".repeat(below(200))],
        ]);
        // Behind the zlib header, mostly: what it hides is more interesting.
        const bytes = Buffer.from(sound);
        for (let flips = below(3); flips > 0; flips -= 1) {
          bytes[Math.min(bytes.length - 1, below(bytes.length) + (count === 1 ? 0 : 6))]! ^= 1 << below(8);
        }
        read += reader.read(bytes).size;
      }
    } catch (error) {
      if (!(error instanceof SpdyProtocolError)) throw error;
      errors += 1;
    }
  }
  assert.ok(errors > 1000 && read > 1000, `${errors} errors, ${read} headers`);
});
