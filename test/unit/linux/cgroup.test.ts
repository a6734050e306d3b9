import assert from "node:assert/strict";
import { test } from "node:test";
import { clampOomScoreAdj, toCgroupParent } from "../../../src/linux/cgroup.js";

for (const [driver, parent, expected, why] of [
  ["cgroupfs", "", "", "no parent stays none"],
  ["cgroupfs", "/kubepods/burstable/podu-1", "/kubepods/burstable/podu-1", "a path is Docker's form too"],
  ["cgroupfs", "/x.slice", "/x.slice", "a name that looks like a slice is a path all the same"],
  ["systemd", "", "", "no parent stays none"],
  [
    "systemd",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu_1.slice",
    "kubepods-burstable-podu_1.slice",
    "the kubelet's path of slices is the last one's name",
  ],
  ["systemd", "/kubepods.slice/", "kubepods.slice", "a slash at the end says nothing"],
  ["systemd", "kubepods.slice", "kubepods.slice", "a bare slice is one"],
] as const) {
  test(`with ${driver}, ${why}`, () => {
    assert.equal(toCgroupParent(parent, { cgroupDriver: driver }), expected);
  });
}

for (const parent of ["/kubepods/burstable/podu-1", "kubepods", "/kubepods.slice/pod", "/"]) {
  test(`with systemd, the cgroupfs path ${parent} is refused with the kubelet's flag to change`, () => {
    assert.throws(() => toCgroupParent(parent, { cgroupDriver: "systemd" }), {
      kind: "invalid",
      message: new RegExp(`^cgroup_parent ${JSON.stringify(parent)} .*--cgroup-driver=systemd`),
    });
  });
}

for (const [wanted, min, expected, why] of [
  [-998, -1000, -998, "on an ordinary host the wanted value is given"],
  [1000, -1000, 1000, "the kernel's most is possible"],
  [-1000, -1000, -1000, "the kernel's least is possible"],
  [5000, -1000, 1000, "more than the kernel's most is its most"],
  [-5000, -1000, -1000, "less than the kernel's least is its least"],
  [-998, 0, 0, "a restricted host raises what it cannot give"],
  [2, 0, 2, "a restricted host gives what is above its least"],
  [-998, 500, 500, "a host that is itself adjusted up cannot go below that"],
] as const) {
  test(`oom_score_adj: ${why} (${wanted} with ${min})`, () => {
    assert.equal(clampOomScoreAdj(wanted, { minOomScoreAdj: min }), expected);
  });
}
