import assert from "node:assert/strict";
import { test } from "node:test";
import { Tokens } from "../../../src/streaming/tokens.js";
import { refuses } from "../../support/assertions.js";
import { ManualClock } from "../../support/manual-clock.js";

const start = () => {
  const clock = new ManualClock();
  return { clock, tokens: new Tokens<string>(clock) };
};

test("a token is 128 bits, in characters that a URL's path may have", () => {
  const { tokens } = start();
  const issued = Array.from({ length: 1000 }, () => tokens.issue("a"));
  for (const token of issued) {
    assert.match(token, /^[A-Za-z0-9_-]+$/);
    assert.equal(Buffer.from(token, "base64url").length, 16);
  }
  assert.equal(new Set(issued).size, 1000);
  // Every byte differs somewhere: none of them is fixed.
  const bytes = issued.map((token) => Buffer.from(token, "base64url"));
  for (let at = 0; at < 16; at++) assert.ok(new Set(bytes.map((token) => token[at])).size > 1);
});

test("a token stands for its own value, once", () => {
  const { tokens } = start();
  const [first, second] = [tokens.issue("first"), tokens.issue("second")];
  assert.equal(tokens.take(second), "second");
  assert.equal(tokens.take(first), "first");
  assert.equal(tokens.take(first), undefined);
  assert.equal(tokens.take(second), undefined);
});

test("a token that was never issued stands for nothing", () => {
  const { tokens } = start();
  const token = tokens.issue("a");
  for (const unknown of ["", "__proto__", "constructor", token.slice(1), `${token}A`, token.toLowerCase()]) {
    assert.equal(tokens.take(unknown), undefined, unknown);
  }
  assert.equal(tokens.take(token), "a");
});

test("a token is good for 60 s, the last moment included", async () => {
  const { clock, tokens } = start();
  const token = tokens.issue("a");
  await clock.advance(60_000);
  assert.equal(tokens.take(token), "a");
});

test("a token is not found any more after 60 s, however often it is tried", async () => {
  const { clock, tokens } = start();
  const token = tokens.issue("a");
  await clock.advance(60_001);
  assert.equal(tokens.take(token), undefined);
  assert.equal(tokens.take(token), undefined);
});

test("each token has 60 s of its own", async () => {
  const { clock, tokens } = start();
  const early = tokens.issue("early");
  await clock.advance(40_000);
  const late = tokens.issue("late");
  await clock.advance(40_000);
  assert.equal(tokens.take(early), undefined);
  assert.equal(tokens.take(late), "late");
});

test("1000 may wait for their connection; one more is refused, and takes nothing from them", () => {
  const { tokens } = start();
  const issued = Array.from({ length: 1000 }, (_, index) => tokens.issue(String(index)));
  refuses(() => tokens.issue("one more"), "exhausted", "1000 streaming requests wait");
  assert.equal(tokens.take(issued[0]!), "0");
  const next = tokens.issue("next");
  refuses(() => tokens.issue("one more"), "exhausted", "1000 streaming requests wait");
  for (const [index, token] of issued.entries()) {
    if (index > 0) assert.equal(tokens.take(token), String(index));
  }
  assert.equal(tokens.take(next), "next");
});

test("those who never came make room when their time is over, and not before", async () => {
  const { clock, tokens } = start();
  for (let count = 0; count < 999; count++) tokens.issue("early");
  await clock.advance(1);
  const late = tokens.issue("late");
  await clock.advance(59_999);
  refuses(() => tokens.issue("one more"), "exhausted", "1000 streaming requests wait");
  await clock.advance(1);
  for (let count = 0; count < 999; count++) tokens.issue("again");
  refuses(() => tokens.issue("one more"), "exhausted", "1000 streaming requests wait");
  assert.equal(tokens.take(late), "late");
});
