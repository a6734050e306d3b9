import assert from "node:assert/strict";
import { test } from "node:test";
import { filesV1 } from "../../../src/stats/cgroup-v1.js";
import { containerPlace, filesAt, podPlace } from "../../../src/stats/place.js";
import { fullId } from "../../support/builders.js";

const id = fullId("c0");
const other = fullId("0d");
const v1 = (path: string) => `9:name=systemd:${path}\n5:memory:${path}\n4:cpu,cpuacct:${path}\n0::/\n`;

const cases = [
  { title: "Docker's own parent", text: `0::/docker/${id}\n`, container: `/docker/${id}`, pod: "/docker" },
  {
    title: "the kubelet's, with the cgroupfs driver",
    text: `0::/kubepods/burstable/pod1/${id}\n`,
    container: `/kubepods/burstable/pod1/${id}`,
    pod: "/kubepods/burstable/pod1",
  },
  {
    title: "the kubelet's, with the systemd driver",
    text: `0::/kubepods.slice/kubepods-pod1.slice/docker-${id}.scope\n`,
    container: `/kubepods.slice/kubepods-pod1.slice/docker-${id}.scope`,
    pod: "/kubepods.slice/kubepods-pod1.slice",
  },
  {
    title: "a container whose systemd has moved itself down",
    text: `0::/docker/${id}/init.scope\n`,
    container: `/docker/${id}`,
    pod: "/docker",
  },
  {
    title: "an engine that is in a container itself",
    text: `0::/docker/${other}/docker/${id}\n`,
    container: `/docker/${other}/docker/${id}`,
    pod: `/docker/${other}/docker`,
  },
];
for (const { title, text, container, pod } of cases) {
  test(`version 2, ${title}`, () => {
    assert.equal(containerPlace(text, id)?.folder("memory"), container);
    assert.equal(podPlace(text, id)?.folder("memory"), pod);
  });
}

test("version 1: each controller has a hierarchy of its own, one that is missing has no files", () => {
  const place = containerPlace(v1(`/docker/${id}`), id);
  assert.deepEqual(place && filesAt(place, filesV1).map(({ path }) => path), [
    `/cpuacct/docker/${id}/cpuacct.usage`,
    `/memory/docker/${id}/memory.usage_in_bytes`,
    `/memory/docker/${id}/memory.limit_in_bytes`,
    `/memory/docker/${id}/memory.memsw.limit_in_bytes`,
    `/memory/docker/${id}/memory.stat`,
  ]);
});

for (const [title, text] of [
  ["another container's", `0::/docker/${other}\n`],
  ["the host's", "0::/init.scope\n"],
  ["version 1 and another container's", v1(`/docker/${other}`)],
  ["told by no text", ""],
] as const) {
  test(`a process whose cgroup is ${title} is not this container's, though it has its pid`, () => {
    assert.equal(containerPlace(text, id), undefined);
    assert.equal(podPlace(text, id), undefined);
  });
}
