import assert from "node:assert/strict";
import { test } from "node:test";
import { cgroupFolder, toCgroupFiles } from "../../../src/linux/cgroup-files.js";
import { refuses } from "../../support/assertions.js";

const hugepageLimits = [
  { pageSize: "2MB", limit: "4194304" },
  { pageSize: "1GB", limit: "0" },
];

test("hugepage limits are files of the hugetlb controller, named as each version does", () => {
  const names = (cgroupVersion: 1 | 2) =>
    toCgroupFiles({ unified: {}, hugepageLimits }, { cgroupVersion }).map(({ name, text }) => [name, text]);
  assert.deepEqual(names(1), [
    ["hugetlb.2MB.limit_in_bytes", "4194304"],
    ["hugetlb.1GB.limit_in_bytes", "0"],
  ]);
  assert.deepEqual(names(2), [
    ["hugetlb.2MB.max", "4194304"],
    ["hugetlb.1GB.max", "0"],
  ]);
});

test("a host may be without pages that nobody may have", () => {
  const files = toCgroupFiles({ unified: {}, hugepageLimits }, { cgroupVersion: 2 });
  assert.deepEqual(
    files.map(({ optional }) => optional),
    [false, true],
  );
});

test("unified settings are files as they are named, with version 2 only", () => {
  const limits = { unified: { "memory.high": "1073741824" }, hugepageLimits: [] };
  assert.deepEqual(toCgroupFiles(limits, { cgroupVersion: 2 }), [
    { controller: "memory", name: "memory.high", text: "1073741824", optional: false },
  ]);
  refuses(
    () => toCgroupFiles(limits, { cgroupVersion: 1 }),
    "invalid",
    "unified (memory.high) needs cgroups of",
  );
});

const one = "12:hugetlb:/kubepods/a\n4:memory:/kubepods/b\n2:cpu,cpuacct:/kubepods/c:d\n0::/kubepods/e\n";
for (const [controller, cgroupVersion, folder] of [
  ["hugetlb", 1, "/hugetlb/kubepods/a"],
  ["memory", 1, "/memory/kubepods/b"],
  ["cpuacct", 1, "/cpuacct/kubepods/c:d"],
  ["rdma", 1, undefined],
  ["hugetlb", 2, "/kubepods/e"],
  ["memory", 2, "/kubepods/e"],
] as const) {
  test(`a process's ${controller} cgroup of version ${cgroupVersion} is ${folder ?? "not there"}`, () =>
    assert.equal(cgroupFolder(one, controller, { cgroupVersion }), folder));
}
