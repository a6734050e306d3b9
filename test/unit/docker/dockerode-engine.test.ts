import assert from "node:assert/strict";
import { test } from "node:test";
import { olderOf } from "../../../src/docker/api-version.js";

for (const [a, b, older] of [
  ["1.50", "1.51", "1.50"],
  ["1.52", "1.51", "1.51"],
  ["1.51", "1.51", "1.51"],
  ["1.9", "1.41", "1.9"],
  ["1.100", "1.51", "1.51"],
  ["2.0", "1.51", "1.51"],
  ["1.51", "2.0", "1.51"],
] as const) {
  test(`a daemon of API ${a} and a client of ${b} speak ${older}`, () => assert.equal(olderOf(a, b), older));
}
