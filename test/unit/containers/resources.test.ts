import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkResources,
  fromHostConfig,
  toExtra,
  toResources,
  toUpdate,
} from "../../../src/containers/resources.js";
import type { LinuxContainerResources } from "../../../src/generated/runtime/v1/LinuxContainerResources.js";
import { refuses } from "../../support/assertions.js";
import { containerInspect, linuxResources } from "../../support/builders.js";

const field = "config.linux.resources";
const ordinary = { minOomScoreAdj: -1000 };
const to = (resources: LinuxContainerResources, host = ordinary) =>
  toResources(linuxResources(resources), host);

test("no resources leave everything to Docker", () => assert.deepEqual(toResources(undefined, ordinary), {}));

const limits = {
  cpuShares: 512,
  cpuQuota: 50_000,
  cpuPeriod: 100_000,
  cpusetCpus: "0-2,7",
  cpusetMems: "0",
  memoryLimitInBytes: "8589934592",
  memorySwapLimitInBytes: "8589934592",
  oomScoreAdj: 999,
};

test("limits are said to Docker, and reported back as they were asked for", () => {
  const made = to(limits);
  assert.deepEqual(made, {
    CpuShares: 512,
    CpuQuota: 50_000,
    CpuPeriod: 100_000,
    CpusetCpus: "0-2,7",
    CpusetMems: "0",
    Memory: 8_589_934_592,
    MemorySwap: 8_589_934_592,
    OomScoreAdj: 999,
  });
  const { HostConfig } = containerInspect({ HostConfig: made });
  assert.deepEqual(fromHostConfig(HostConfig), {
    ...limits,
    memoryLimitInBytes: 8_589_934_592,
    memorySwapLimitInBytes: 8_589_934_592,
    unified: {},
    hugepageLimits: [],
  });
});

for (const [title, memory, swap, expected] of [
  ["a memory limit alone allows no swap", 1000, 0, 1000],
  ["a swap limit is kept", 1000, 3000, 3000],
  ["unlimited swap is kept", 1000, -1, -1],
  ["no limit is no limit", 0, 0, 0],
] as const) {
  test(title, () => {
    const { Memory, MemorySwap } = to({ memoryLimitInBytes: memory, memorySwapLimitInBytes: swap });
    assert.deepEqual([Memory, MemorySwap], [memory, expected]);
  });
}

test("an unlimited CPU quota is kept", () => assert.equal(to({ cpuQuota: -1 }).CpuQuota, -1));

test("a restricted host gives the lowest oom_score_adj that it can", () => {
  assert.equal(to({ oomScoreAdj: -997 }, { minOomScoreAdj: 0 }).OomScoreAdj, 0);
  assert.equal(to({ oomScoreAdj: -997 }).OomScoreAdj, -997);
});

for (const fine of [
  {},
  limits,
  { cpuQuota: -1 },
  { memorySwapLimitInBytes: -1 },
  { oomScoreAdj: -997 },
  { hugepageLimits: [{ pageSize: "2MB", limit: 0 }] },
  { hugepageLimits: [{ pageSize: "1GB", limit: 1073741824 }] },
  { unified: { "memory.high": "1", "hugetlb.2MB.max": "0" } },
]) {
  test(`the resources ${JSON.stringify(fine).slice(0, 60)} are accepted`, () => {
    checkResources(linuxResources(fine), field);
  });
}

for (const [resources, kind, start] of [
  [{ cpuPeriod: -1 }, "invalid", `${field}.cpu_period is negative: -1`],
  [{ cpuShares: -2 }, "invalid", `${field}.cpu_shares is negative: -2`],
  [{ memoryLimitInBytes: -1 }, "invalid", `${field}.memory_limit_in_bytes is negative: -1`],
  [{ hugepageLimits: [{ pageSize: "2/MB" }] }, "invalid", `${field}.hugepage_limits: page_size "2/MB"`],
  [{ unified: { "../x.y": "1" } }, "invalid", `${field}.unified: "../x.y" is no file`],
  [{ unified: { memory: "1" } }, "invalid", `${field}.unified: "memory" is no file`],
] as [LinuxContainerResources, "invalid" | "unimplemented", string][]) {
  test(`the resources ${JSON.stringify(resources)} are refused as ${kind}`, () => {
    refuses(() => checkResources(linuxResources(resources), field), kind, start);
  });
}

test("a change says to Docker what it names, and nothing else", () => {
  const update = (resources: LinuxContainerResources) => toUpdate(linuxResources(resources));
  assert.deepEqual(update({}), {});
  assert.deepEqual(update({ cpuShares: 100, oomScoreAdj: 5 }), { CpuShares: 100 });
  assert.deepEqual(update({ cpuQuota: -1, cpusetCpus: "0" }), { CpuQuota: -1, CpusetCpus: "0" });
  assert.deepEqual(update({ memoryLimitInBytes: 1000 }), { Memory: 1000, MemorySwap: 1000 });
  assert.deepEqual(update({ memoryLimitInBytes: 1000, memorySwapLimitInBytes: 3000 }), {
    Memory: 1000,
    MemorySwap: 3000,
  });
  assert.deepEqual(update({ memorySwapLimitInBytes: -1 }), { MemorySwap: -1 });
});

const extraOf = (resources: LinuxContainerResources, before?: ReturnType<typeof toExtra>) =>
  toExtra(linuxResources(resources), before, 100, { minOomScoreAdj: 0 });

test("a container without special wishes has nothing beyond what Docker holds", () => {
  assert.equal(extraOf({ cpuShares: 5, oomScoreAdj: 100 }), undefined);
});

test("what Docker cannot hold is kept, added to, and reported", () => {
  const first = extraOf({
    unified: { "memory.high": "1", "memory.low": "1" },
    hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
  });
  const second = extraOf(
    {
      unified: { "memory.high": "2" },
      hugepageLimits: [
        { pageSize: "2MB", limit: 4096 },
        { pageSize: "1GB", limit: 0 },
      ],
      oomScoreAdj: 500,
    },
    first,
  );
  assert.deepEqual(second, {
    unified: { "memory.high": "2", "memory.low": "1" },
    hugepageLimits: [
      { pageSize: "2MB", limit: "4096" },
      { pageSize: "1GB", limit: "0" },
    ],
    oomScoreAdj: 500,
  });
  const { unified, hugepageLimits, oomScoreAdj } = fromHostConfig(containerInspect().HostConfig, second);
  assert.deepEqual({ unified, hugepageLimits, oomScoreAdj }, second);
  // A change that does not name it leaves it.
  assert.deepEqual(extraOf({ cpuShares: 2 }, second), second);
  // Back to what Docker holds.
  assert.equal(extraOf({ oomScoreAdj: 100 }, second)?.oomScoreAdj, undefined);
});

test("a changed oom_score_adj is as low as the host allows", () => {
  assert.equal(extraOf({ oomScoreAdj: -500 })?.oomScoreAdj, 0);
});
