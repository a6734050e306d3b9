import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Inactivity } from "../../../src/streaming/inactivity.js";

/** A clock that stands still unless it is moved on. */
function frozen(t: TestContext): (ms: number) => void {
  let now = 1000;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => now);
  return (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
}

test("calls back when nothing has happened for the time, once", (t) => {
  const pass = frozen(t);
  let calls = 0;
  new Inactivity(100, () => calls++);
  pass(99);
  assert.equal(calls, 0);
  pass(1);
  assert.equal(calls, 1);
  pass(1000);
  assert.equal(calls, 1);
});

test("counts anew from what happened last", (t) => {
  const pass = frozen(t);
  let calls = 0;
  const inactivity = new Inactivity(100, () => calls++);
  for (let round = 0; round < 5; round++) {
    pass(90);
    inactivity.noteActivity();
  }
  assert.equal(calls, 0);
  pass(99);
  assert.equal(calls, 0);
  pass(1);
  assert.equal(calls, 1);
});

test("0 is never, and stopped is stopped", (t) => {
  const pass = frozen(t);
  const fail = () => assert.fail("called back");
  new Inactivity(0, fail);
  new Inactivity(100, fail).stop();
  pass(1e9);
});
