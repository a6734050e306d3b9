/** Both versions tell the same things in different files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUsageV1 } from "../../../src/stats/cgroup-v1.js";
import { parseUsageV2 } from "../../../src/stats/cgroup-v2.js";
import { parsePressure } from "../../../src/stats/pressure.js";
import type { CgroupUsage } from "../../../src/stats/usage.js";
import { filesOfV1, filesOfV2, pressureText, texts } from "./texts.js";

const memory = {
  usage: 10_000_000n,
  workingSet: 4_000_000n,
  limit: 67_108_864n,
  anonymous: 3_000_000n,
  pageFaults: 1234n,
  majorPageFaults: 5n,
};
const swap = { usage: 4096n, limit: 33_554_432n };
const pressure = {
  some: { avg10: 1.5, avg60: 0.25, avg300: 0, total: 123_456n },
  full: { avg10: 0.5, avg60: 0.1, avg300: 0.05, total: 65_432n },
};

interface Case {
  title: string;
  changed?: Record<string, string | undefined>;
  want: Partial<CgroupUsage>;
}

const v1: Case[] = [
  {
    title: "everything is told, pressure excepted; swap's limit is what remains of the common one",
    want: {
      cpuNanos: 5_000_000_123n,
      memory,
      swap,
      pressure: { cpu: undefined, memory: undefined, io: undefined },
    },
  },
  {
    title: "the greatest number of whole pages is no limit",
    changed: { "memory.limit_in_bytes": "9223372036854771712\n" },
    want: { memory: { ...memory, limit: undefined }, swap: { ...swap, limit: undefined } },
  },
  {
    title: "a common limit that equals the memory's leaves no swap",
    changed: { "memory.memsw.limit_in_bytes": "67108864\n" },
    want: { swap: { ...swap, limit: 0n } },
  },
  {
    title: "a kernel that does not account for swap tells nothing of it",
    changed: { "memory.memsw.limit_in_bytes": undefined },
    want: { memory, swap: undefined },
  },
  {
    title: "a working set is not below 0 where the two numbers do not fit",
    changed: { "memory.usage_in_bytes": "5000000\n" },
    want: { memory: { ...memory, usage: 5_000_000n, workingSet: 0n } },
  },
  {
    title: "what is not there is not told",
    changed: {
      "cpuacct.usage": undefined,
      "memory.usage_in_bytes": undefined,
    },
    want: { cpuNanos: undefined, memory: undefined, swap: undefined },
  },
  {
    title: "memory without its details is not told by halves",
    changed: { "memory.stat": undefined },
    want: { cpuNanos: 5_000_000_123n, memory: undefined },
  },
];

const v2: Case[] = [
  {
    title: "everything is told, microseconds as nanoseconds",
    want: {
      cpuNanos: 5_000_000_000n,
      memory,
      swap,
      pressure: { cpu: pressure, memory: pressure, io: pressure },
    },
  },
  {
    title: '"max" is no limit',
    changed: { "memory.max": "max\n", "memory.swap.max": "max\n" },
    want: { memory: { ...memory, limit: undefined }, swap: { ...swap, limit: undefined } },
  },
  {
    title: "a kernel that does not account for swap tells nothing of it",
    changed: { "memory.swap.current": undefined, "memory.swap.max": undefined },
    want: { memory, swap: undefined },
  },
  {
    title: "a working set is not below 0 where the two numbers do not fit",
    changed: { "memory.current": "5000000\n" },
    want: { memory: { ...memory, usage: 5_000_000n, workingSet: 0n } },
  },
  {
    title: "what is not there is not told",
    changed: { "cpu.stat": undefined, "memory.stat": undefined, "cpu.pressure": undefined },
    want: {
      cpuNanos: undefined,
      memory: undefined,
      pressure: { cpu: undefined, memory: pressure, io: pressure },
    },
  },
];

const versions = [
  { version: 1, parse: parseUsageV1, files: filesOfV1, cases: v1 },
  { version: 2, parse: parseUsageV2, files: filesOfV2, cases: v2 },
];
for (const { version, parse, files, cases } of versions) {
  for (const { title, changed, want } of cases) {
    test(`version ${version}: ${title}`, () => {
      const usage = parse(texts(files, changed));
      const told = Object.fromEntries(Object.keys(want).map((key) => [key, usage[key as keyof CgroupUsage]]));
      assert.deepEqual(told, want);
    });
  }
}

const pressures = [
  { title: "both lines are read", text: pressureText, want: pressure },
  {
    title: "a kernel that knows no full pressure of the cpu tells the other",
    text: "some avg10=1.50 avg60=0.25 avg300=0.00 total=123456\n",
    want: { some: pressure.some, full: undefined },
  },
  { title: "no file is no pressure", text: undefined, want: undefined },
  { title: "neither is an empty one", text: "", want: undefined },
  { title: "nor a strange one", text: "some avg10=high\n", want: undefined },
];
for (const { title, text, want } of pressures) {
  test(`pressure: ${title}`, () => assert.deepEqual(parsePressure(text), want));
}
