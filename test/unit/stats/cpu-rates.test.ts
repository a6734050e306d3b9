import assert from "node:assert/strict";
import { test } from "node:test";
import { CpuRates } from "../../../src/stats/cpu-rates.js";

const second = 1_000_000_000n;
type Step = [run: string, atMs: number, usedMs: number, want: bigint | undefined];

const cases: { title: string; steps: Step[] }[] = [
  { title: "the first reading tells no rate", steps: [["a", 0, 500, undefined]] },
  {
    title: "two readings tell the cores in use between them",
    steps: [
      ["a", 0, 500, undefined],
      ["a", 10_000, 15_500, (3n * second) / 2n],
      ["a", 20_000, 15_500, 0n],
    ],
  },
  {
    title: "readings close to each other repeat the last rate, and do not shorten the next interval",
    steps: [
      ["a", 0, 0, undefined],
      ["a", 999, 999, undefined],
      ["a", 1000, 500, second / 2n],
      ["a", 1001, 501, second / 2n],
      ["a", 3000, 2500, second],
    ],
  },
  {
    title: "a reading that comes after a later one changes nothing",
    steps: [
      ["a", 0, 0, undefined],
      ["a", 2000, 1000, second / 2n],
      ["a", 1990, 990, second / 2n],
      ["a", 4000, 3000, second],
    ],
  },
  {
    title: "a container that was started again begins anew",
    steps: [
      ["a", 0, 0, undefined],
      ["a", 2000, 2000, second],
      ["b", 4000, 3000, undefined],
      ["b", 6000, 4000, second / 2n],
    ],
  },
  {
    title: "a counter that went back begins anew, and tells nothing negative",
    steps: [
      ["a", 0, 5000, undefined],
      ["a", 2000, 100, undefined],
      ["a", 4000, 1100, second / 2n],
    ],
  },
];

const ms = 1_000_000n;
for (const { title, steps } of cases) {
  test(title, () => {
    const rates = new CpuRates();
    const told = steps.map(([run, at, used]) =>
      rates.add("c", run, { at: BigInt(at) * ms, nanos: BigInt(used) * ms }),
    );
    assert.deepEqual(
      told,
      steps.map(([, , , want]) => want),
    );
  });
}

test("containers do not share their readings, and what is gone is forgotten", () => {
  const rates = new CpuRates();
  const add = (id: string, at: bigint) => rates.add(id, "run", { at: at * second, nanos: at * second });
  for (const id of ["a", "b", "c"]) assert.equal(add(id, 1n), undefined);
  rates.forget("a");
  rates.keepOnly(new Set(["a", "c"]));
  assert.deepEqual([add("a", 3n), add("b", 3n), add("c", 3n)], [undefined, undefined, second]);
});
