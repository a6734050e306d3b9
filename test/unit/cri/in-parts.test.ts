import assert from "node:assert/strict";
import { test } from "node:test";
import { inParts } from "../../../src/cri/in-parts.js";

for (const [count, sizes] of [
  [0, []],
  [1, [1]],
  [32, [32]],
  [33, [32, 1]],
  [100, [32, 32, 32, 4]],
] as const) {
  test(`${count} items are sent in ${sizes.length} messages, each once and in order`, () => {
    const items = Array.from({ length: count }, (_, index) => index);
    const parts = [...inParts(items)];
    assert.deepEqual(
      parts.map(({ length }) => length),
      sizes,
    );
    assert.deepEqual(parts.flat(), items);
  });
}
