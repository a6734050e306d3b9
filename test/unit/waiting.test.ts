import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { deferred, mapLimited, pauseUntil } from "../../src/waiting.js";

test("a deferred promise is settled from outside", async () => {
  const good = deferred();
  good.resolve();
  await good.promise;
  const bad = deferred();
  bad.reject(new Error("no"));
  await assert.rejects(bad.promise, { message: "no" });
});

test("a rejection that nobody waits for does not end the program", async (t) => {
  const unhandled = t.mock.fn();
  process.on("unhandledRejection", unhandled);
  deferred().reject(new Error("nobody listens"));
  await nextTurn();
  await nextTurn();
  process.off("unhandledRejection", unhandled);
  assert.equal(unhandled.mock.callCount(), 0);
});

test("a pause ends by itself", async () => {
  const started = performance.now();
  await pauseUntil(20, new AbortController().signal);
  assert.ok(performance.now() - started >= 15);
});

test("a pause ends early, and quietly, when its signal fires", async () => {
  const controller = new AbortController();
  const started = performance.now();
  const pause = pauseUntil(60_000, controller.signal);
  controller.abort();
  await pause;
  await pauseUntil(60_000, controller.signal);
  assert.ok(performance.now() - started < 10_000);
});

for (const [items, limit, expected] of [
  [0, 4, 0],
  [1, 4, 1],
  [4, 4, 4],
  [50, 4, 4],
  [50, 1, 1],
  [3, 100, 3],
] as const) {
  test(`${items} items with a limit of ${limit}: at most ${expected} at once, results in order`, async () => {
    let now = 0;
    let most = 0;
    const list = Array.from({ length: items }, (_, index) => index);
    const results = await mapLimited(list, limit, async (item) => {
      most = Math.max(most, ++now);
      for (let turns = (item * 7) % 5; turns >= 0; turns--) await nextTurn();
      now--;
      return item * 2;
    });
    assert.deepEqual(
      results,
      list.map((item) => item * 2),
    );
    assert.equal(most, expected);
  });
}

test("one item that fails fails the whole", async () => {
  const work = mapLimited([1, 2, 3], 2, (item) =>
    item === 2 ? Promise.reject(new Error("two")) : Promise.resolve(item),
  );
  await assert.rejects(work, { message: "two" });
});
