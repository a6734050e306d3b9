import assert from "node:assert/strict";
import { test } from "node:test";
import { Scheduler, type Turn } from "../../../src/logs/scheduler.js";
import { ManualTiming } from "./manual-timing.js";

/** Items are names; what each answers to its turns is given in advance, "idle" after that. */
function setUp(answers: Record<string, Turn[]> = {}) {
  const timing = new ManualTiming();
  const turns: string[] = [];
  const scheduler = new Scheduler<string>((item) => {
    turns.push(item);
    return answers[item]?.shift() ?? "idle";
  }, timing);
  return { timing, turns, scheduler };
}

const times = (count: number, outcome: Turn): Turn[] => Array<Turn>(count).fill(outcome);

test("a noisy one gets no more turns than the others while they have something to do", () => {
  const { timing, turns, scheduler } = setUp({
    noisy: times(1000, "more"),
    a: times(2, "more"),
    b: ["more"],
  });
  for (const item of ["noisy", "a", "b"]) scheduler.mark(item);
  timing.turn(9);
  assert.deepEqual(turns, ["noisy", "a", "b", "noisy", "a", "b", "noisy", "a", "noisy"]);
  scheduler.mark("c");
  timing.turn(2);
  assert.deepEqual(turns.slice(9), ["noisy", "c"]);
});

test("the thread's loop goes round after each turn", () => {
  const { timing, turns, scheduler } = setUp({ a: times(5, "more") });
  scheduler.mark("a");
  scheduler.mark("b");
  assert.deepEqual(turns, []);
  timing.turn(1);
  assert.deepEqual(turns, ["a"]);
  timing.turn(1);
  assert.deepEqual(turns, ["a", "b"]);
});

test("one that was idle reads at once, then no more than every 10 ms", () => {
  const { timing, turns, scheduler } = setUp();
  scheduler.mark("a");
  timing.turn(1);
  for (let now = 1; now < 10; now += 1) {
    timing.pass(1);
    scheduler.mark("a");
    timing.turn(5);
  }
  assert.deepEqual(turns, ["a"]);
  timing.pass(1);
  timing.turn(5);
  assert.deepEqual(turns, ["a", "a"]);
  timing.pass(500);
  scheduler.mark("a");
  timing.turn(1);
  assert.equal(turns.length, 3);
});

test("one that rests and hears nothing has no turn, and no timer afterwards", () => {
  const { timing, turns, scheduler } = setUp();
  scheduler.mark("a");
  timing.turn(1);
  assert.equal(timing.timers, 1);
  timing.pass(4);
  scheduler.mark("b");
  timing.turn(1);
  timing.pass(10);
  assert.equal(timing.timers, 0);
  timing.turn(5);
  assert.deepEqual(turns, ["a", "b"]);
});

test("one that wants to be read again after its rest needs no mark", () => {
  const { timing, turns, scheduler } = setUp({ a: times(2, "again") });
  scheduler.mark("a");
  for (let rest = 0; rest < 5; rest += 1) {
    timing.turn(5);
    timing.pass(10);
  }
  assert.deepEqual(turns, ["a", "a", "a"]);
  assert.equal(timing.timers, 0);
});

test("a stalled one is tried every second, whatever it hears", () => {
  const { timing, turns, scheduler } = setUp({ a: times(3, "stalled") });
  scheduler.mark("a");
  for (const second of [1, 2, 3]) {
    timing.turn(5);
    for (let marks = 0; marks < 9; marks += 1) {
      scheduler.mark("a");
      timing.pass(100);
      timing.turn(5);
    }
    assert.equal(turns.length, second);
    timing.pass(100);
  }
  timing.turn(5);
  assert.equal(turns.length, 4);
  assert.equal(timing.timers, 1);
  timing.pass(10);
  assert.equal(timing.timers, 0);
});

test("what is urgent waits for no rest and no second", () => {
  const { timing, turns, scheduler } = setUp({ b: ["stalled"] });
  for (const item of ["a", "b"]) scheduler.mark(item);
  timing.turn(2);
  for (const item of ["a", "b"]) scheduler.urge(item);
  timing.turn(2);
  assert.deepEqual(turns, ["a", "b", "a", "b"]);
});

test("what is removed has no turn, in whatever state it was", () => {
  const { timing, turns, scheduler } = setUp({ b: ["stalled"] });
  for (const item of ["a", "b"]) scheduler.mark(item);
  timing.turn(2);
  scheduler.mark("a");
  scheduler.mark("c");
  for (const item of ["a", "b", "c"]) scheduler.remove(item);
  timing.turn(5);
  timing.pass(2000);
  timing.turn(5);
  assert.deepEqual(turns, ["a", "b"]);
});

test("after a stop there is no turn and no timer", () => {
  const { timing, turns, scheduler } = setUp({ b: ["stalled"] });
  for (const item of ["a", "b", "c"]) scheduler.mark(item);
  timing.turn(2);
  scheduler.stop();
  timing.turn(5);
  assert.equal(timing.timers, 0);
  assert.deepEqual(turns, ["a", "b"]);
});
