import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerState } from "../../../src/docker/engine.js";
import { toNanos } from "../../../src/docker/time.js";
import { changesBetween, endOf } from "../../../src/inventory/changes.js";
import { containerInspect, neverTime } from "../../support/builders.js";

const second = (number: number): string => `2024-05-01T10:00:0${number}.000000000Z`;
const made: Partial<ContainerState> = { Running: false, StartedAt: neverTime, FinishedAt: neverTime };
const runs = (start: number, end?: number): Partial<ContainerState> => ({
  Running: true,
  StartedAt: second(start),
  FinishedAt: end === undefined ? neverTime : second(end),
});
const ran = (start: number, end: number): Partial<ContainerState> => ({
  Running: false,
  StartedAt: second(start),
  FinishedAt: second(end),
});

const inState = (State: Partial<ContainerState>) => containerInspect({ Created: second(0), State });

const cases: [string, Partial<ContainerState> | undefined, Partial<ContainerState>, string[]][] = [
  ["a new container was created", undefined, made, ["created 0"]],
  ["a new one that runs was created and started", undefined, runs(1), ["created 0", "started 1"]],
  ["a new one that has ended has lived", undefined, ran(1, 2), ["created 0", "started 1", "stopped 2"]],
  ["one that runs now was started", made, runs(1), ["started 1"]],
  ["one that has run meanwhile was started and stopped", made, ran(1, 2), ["started 1", "stopped 2"]],
  ["one that does not run any more was stopped", runs(1), ran(1, 2), ["stopped 2"]],
  ["one that runs again was stopped and started", runs(1), runs(3, 2), ["stopped 2", "started 3"]],
  [
    "one that has run again was stopped, started and stopped",
    runs(1),
    ran(3, 4),
    ["stopped 3", "started 3", "stopped 4"],
  ],
  ["one that was started after its end was started", ran(1, 2), runs(3, 2), ["started 3"]],
  ["nothing has happened to one that still runs", runs(1), runs(1), []],
  ["nothing has happened to one that has ended before", ran(1, 2), ran(1, 2), []],
  ["nothing has happened to one that was never started", made, made, []],
  ["a pause is not told", runs(1), { ...runs(1), Paused: true }, []],
];
for (const [title, before, after, expected] of cases) {
  test(title, () => {
    const changes = changesBetween(before && inState(before), inState(after));
    assert.deepEqual(
      changes.map(({ kind, at }) => `${kind} ${(at - toNanos(second(0))) / 1_000_000_000n}`),
      expected,
    );
  });
}

test("one that goes while it runs was stopped and deleted", () => {
  assert.deepEqual(endOf(inState(runs(1)), 7n), [
    { kind: "stopped", at: 7n },
    { kind: "deleted", at: 7n },
  ]);
});

test("one that goes after its end was deleted", () => {
  assert.deepEqual(endOf(inState(ran(1, 2)), 7n), [{ kind: "deleted", at: 7n }]);
});
