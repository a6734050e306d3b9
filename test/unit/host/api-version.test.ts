import assert from "node:assert/strict";
import { test } from "node:test";
import { isAtLeast } from "../../../src/host/api-version.js";

for (const [version, wanted, expected] of [
  ["1.44", "1.44", true],
  ["1.51", "1.44", true],
  ["1.43", "1.44", false],
  ["1.9", "1.44", false],
  ["2.0", "1.44", true],
  ["", "1.24", false],
] as const) {
  test(`API ${version || "unknown"} ${expected ? "is" : "is not"} at least ${wanted}`, () =>
    assert.equal(isAtLeast(version, wanted), expected));
}
