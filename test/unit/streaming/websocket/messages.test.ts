import assert from "node:assert/strict";
import { test } from "node:test";
import { closedChannel, decodeMessage, encodeMessage } from "../../../../src/streaming/websocket/messages.js";

const bytes = Buffer.from([0, 1, 254, 255]);

test("a binary message is the channel and the bytes", () => {
  assert.deepEqual(encodeMessage("binary", 2, bytes), Buffer.from([2, 0, 1, 254, 255]));
  assert.deepEqual(decodeMessage("binary", Buffer.from([2, 0, 1])), {
    channel: 2,
    payload: bytes.subarray(0, 2),
  });
});

test("a base64 message is the channel's digit and padded base64", () => {
  assert.equal(encodeMessage("base64", 1, Buffer.from("hi")), "1aGk=");
  assert.equal(encodeMessage("base64", 0, Buffer.from([0x90, 0x1f])), "0kB8=");
  assert.equal(encodeMessage("base64", 3, Buffer.alloc(0)), "3");
  assert.deepEqual(decodeMessage("base64", Buffer.from("4aGk=")), { channel: 4, payload: Buffer.from("hi") });
  assert.deepEqual(decodeMessage("base64", Buffer.from("4")), { channel: 4, payload: Buffer.alloc(0) });
});

for (const text of ["0aGk==", "0aG k=", "0aGk-", "0aG-=", "0=aGk", "0a\u00e9k=", "0a"]) {
  test(`${JSON.stringify(text)} is no base64 message`, () =>
    assert.equal(decodeMessage("base64", Buffer.from(text)), undefined));
}

test("channels come back from both codecs, and so do all bytes", () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  for (const codec of ["binary", "base64"] as const) {
    for (const channel of [0, 9, 10, 77]) {
      const message = decodeMessage(codec, Buffer.from(encodeMessage(codec, channel, all)));
      assert.deepEqual(message, { channel, payload: all });
    }
  }
});

for (const [hex, expected] of [
  ["ff00", 0],
  ["ff04", 4],
  ["ff05", "malformed"],
  ["ffff", "malformed"],
  ["ff", "malformed"],
  ["ff0000", "malformed"],
  ["0000", undefined],
  ["fe00", undefined],
] as const) {
  test(`v5's ${hex} closes ${expected === undefined ? "nothing" : expected}`, () => {
    const message = decodeMessage("binary", Buffer.from(hex, "hex"));
    assert.equal(message && closedChannel(message), expected);
  });
}
