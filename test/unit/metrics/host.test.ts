import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseDevices,
  parseOpenFilesLimit,
  toDeviceNumber,
  toHostParts,
  toPageSize,
} from "../../../src/metrics/host.js";

test("devices have the kernel's names, and one that it does not know keeps its number", () => {
  const nameOf = parseDevices("   8       0 sda 1 2 3\n 259       1 nvme0n1p1 1 2 3\n");
  assert.deepEqual(["8:0", "259:1", "0:35"].map(nameOf), ["/dev/sda", "/dev/nvme0n1p1", "0:35"]);
});

for (const [device, want] of [
  [0x801n, "8:1"],
  // 12 bits of the major number, then the minor's lower 8 and, above the major's, its others.
  [0x1110301n, "259:4353"],
  [35n, "0:35"],
] as const) {
  test(`the device number ${device} is ${want}`, () => assert.equal(toDeviceNumber(device), want));
}

for (const [folder, want] of [
  ["hugepages-64kB", "64KB"],
  ["hugepages-2048kB", "2MB"],
  ["hugepages-1048576kB", "1GB"],
  ["other", undefined],
] as const) {
  test(`${folder} is ${want ?? "no size"} in the names of cgroups' files`, () =>
    assert.equal(toPageSize(folder), want));
}

test("the limit of open files is the soft one; without a limit, and without a process, there is none", () => {
  const heading = "Limit                     Soft Limit           Hard Limit           Units     \n";
  const line = (soft: string) =>
    `${heading}Max open files            ${soft}                 524288               files     \n`;
  assert.deepEqual([line("1024"), line("unlimited"), ""].map(parseOpenFilesLimit), [
    1024n,
    undefined,
    undefined,
  ]);
});

const v2 = "cgroups of version 2";
const huge = "limits of huge pages";
for (const { title, own, controllers = "", want } of [
  { title: "version 1", own: "2:memory:/\n1:cpu:/\n", want: [] },
  { title: "version 1 with huge pages", own: "3:hugetlb:/\n2:memory:/\n", want: [huge] },
  { title: "version 2", own: "0::/x\n", controllers: "cpu memory\n", want: [v2] },
  { title: "version 2 with huge pages", own: "0::/x\n", controllers: "cpu hugetlb\n", want: [v2, huge] },
]) {
  test(`a host with cgroups of ${title} has its parts`, () =>
    assert.deepEqual([...toHostParts(own, controllers)], want));
}
