import assert from "node:assert/strict";
import { test } from "node:test";
import { inheritedLabel, mountsLabel } from "../../../src/kube/labels.js";
import { fromMountsLabel, toMountsLabel, type MountRecord } from "../../../src/kube/mount-records.js";

const record: MountRecord = {
  containerPath: "/data",
  hostPath: "/srv",
  readonly: true,
  recursiveReadOnly: true,
  options: ["noexec"],
  propagation: "rprivate",
  prepared: "/root/mounts/ab/0",
};
const { hostPath: _, ...withoutPath } = record;
const volume: MountRecord = {
  ...withoutPath,
  image: { image: "busybox", userSpecifiedImage: "", id: "sha256:1", subPath: "etc" },
};

test("mounts are read back from their label as they were written", () => {
  assert.deepEqual(fromMountsLabel(toMountsLabel([record, volume])), [record, volume]);
});

test("a container whose mounts Docker knows has no label", () => assert.deepEqual(toMountsLabel([]), {}));

for (const [title, labels] of [
  ["no such label", {}],
  ["one that is no JSON", { [mountsLabel]: "{" }],
  ["one that is no list", { [mountsLabel]: "{}" }],
  ["a list of other things", { [mountsLabel]: '[null, 1, {}, {"containerPath": "/a", "options": []}]' }],
  ["one that its image brought", { ...toMountsLabel([record]), [inheritedLabel]: `["${mountsLabel}"]` }],
] as [string, Record<string, string>][]) {
  test(`a container with ${title} has no mounts that Docker does not know`, () =>
    assert.deepEqual(fromMountsLabel(labels), []));
}
