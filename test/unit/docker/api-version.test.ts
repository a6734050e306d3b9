import assert from "node:assert/strict";
import { test } from "node:test";
import { hasApi } from "../../../src/docker/api-version.js";

for (const [version, least, wanted] of [
  ["1.44", "1.44", true],
  ["1.51", "1.44", true],
  ["1.9", "1.44", false],
  ["1.43", "1.44", false],
  ["2.0", "1.44", true],
] as const) {
  test(`an engine of API ${version} ${wanted ? "has" : "has not"} what came with ${least}`, () =>
    assert.equal(hasApi(version, least), wanted));
}
