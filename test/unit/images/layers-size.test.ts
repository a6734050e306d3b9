import assert from "node:assert/strict";
import { test } from "node:test";
import { LayersSize } from "../../../src/images/layers-size.js";
import { ManualClock } from "../../support/manual-clock.js";

const never = new AbortController().signal;

/** An engine that takes two seconds for each answer, and has one byte more each time. */
function slowEngine() {
  const clock = new ManualClock();
  let asked = 0;
  const diskUsage = async () => {
    const LayersSize = ++asked;
    await clock.sleep(2000);
    return { LayersSize };
  };
  return { clock, size: new LayersSize({ diskUsage }, clock), asked: () => asked };
}

test("the first answer is waited for, by all who ask, and asked for once", async () => {
  const { clock, size, asked } = slowEngine();
  const both = Promise.all([size.get(never), size.get(never)]);
  await clock.advance(2000);
  assert.deepEqual(await both, [
    { timestamp: "0", bytes: 1 },
    { timestamp: "0", bytes: 1 },
  ]);
  assert.equal(asked(), 1);
});

test("a slow engine is asked a tenth of the time, and later answers are waited for one second", async () => {
  const { clock, size, asked } = slowEngine();
  const first = size.get(never);
  await clock.advance(2000);
  await first;
  await clock.advance(17_999);
  assert.equal((await size.get(never)).bytes, 1);
  assert.equal(asked(), 1);
  await clock.advance(1);
  const second = size.get(never);
  await clock.advance(1000);
  assert.equal((await second).bytes, 1);
  await clock.advance(1000);
  assert.deepEqual(await size.get(never), { timestamp: "20000000000", bytes: 2 });
  assert.equal(asked(), 2);
});

test("a quick engine's answer is new each time", async () => {
  let LayersSizeNow = 0;
  const clock = new ManualClock();
  const diskUsage = () => Promise.resolve({ LayersSize: ++LayersSizeNow });
  const size = new LayersSize({ diskUsage }, clock);
  assert.equal((await size.get(never)).bytes, 1);
  assert.equal((await size.get(never)).bytes, 2);
});

test("an engine's error is told, and the next question asks again", async () => {
  let fails = true;
  const diskUsage = () => (fails ? Promise.reject(new Error("no")) : Promise.resolve({ LayersSize: 5 }));
  const size = new LayersSize({ diskUsage }, new ManualClock());
  await assert.rejects(size.get(never), /no/);
  fails = false;
  assert.equal((await size.get(never)).bytes, 5);
});
