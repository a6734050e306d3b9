/** What a client is told of containers, on trees of plain files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStatsFilter } from "../../../src/generated/runtime/v1/ContainerStatsFilter.js";
import type { ContainerStatsFilter__Output } from "../../../src/generated/runtime/v1/ContainerStatsFilter.js";
import { containerInspect, fullId, received, sandboxId } from "../../support/builders.js";
import { nodeTree } from "./node-tree.js";
import { filesOfV2 } from "./texts.js";

const value = (text: string) => ({ value: text });
const id = fullId("c0");
const path = `/kubepods/pod1/${id}`;
const labels = (own: Record<string, string>, sandbox = sandboxId) => ({
  Labels: { "io.kubernetes.docker.type": "container", "io.kubernetes.sandbox.id": sandbox, ...own },
});
const psi = {
  Some: { Total: "123456", Avg10: 1.5, Avg60: 0.25, Avg300: 0 },
  Full: { Total: "65432", Avg10: 0.5, Avg60: 0.1, Avg300: 0.05 },
};
const memory = {
  workingSetBytes: value("4000000"),
  availableBytes: value("63108864"),
  usageBytes: value("10000000"),
  rssBytes: value("3000000"),
  pageFaults: value("1234"),
  majorPageFaults: value("5"),
};
const swap = { swapUsageBytes: value("4096"), swapAvailableBytes: value("33550336") };
const attributes = {
  id,
  metadata: { name: "app", attempt: 0 },
  labels: { app: "web" },
  annotations: { note: "x" },
};
const container = containerInspect({
  Id: id,
  Config: labels({ app: "web", "annotation.note": "x" }),
});

test("a container on version 2 is told with all its parts", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  await node.clock.advance(1000);
  const timestamp = "1000000000";
  assert.deepEqual(await node.stats.container("c0"), {
    attributes,
    cpu: { timestamp, usageCoreNanoSeconds: value("5000000000"), usageNanoCores: null, psi },
    memory: { timestamp, ...memory, psi },
    swap: { timestamp, ...swap },
    io: { timestamp, psi },
  });
});

test("on version 1 there is no pressure, and with it no io", async (t) => {
  const node = nodeTree(t, [container]);
  node.processV1(4242, path);
  await node.clock.advance(1000);
  const timestamp = "1000000000";
  assert.deepEqual(await node.stats.container(id), {
    attributes,
    cpu: { timestamp, usageCoreNanoSeconds: value("5000000123"), usageNanoCores: null, psi: null },
    memory: { timestamp, ...memory, psi: null },
    swap: { timestamp, ...swap },
  });
});

test("the second answer tells how much of a core is in use", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  await node.stats.container(id);
  node.write(`cgroup${path}/cpu.stat`, "usage_usec 6000000\n");
  await node.clock.advance(4000);
  const [stats] = await node.stats.containers(null);
  assert.deepEqual(stats?.cpu?.usageNanoCores, value("250000000"));
});

test("without a limit nothing is told to be available", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  node.write(`cgroup${path}/memory.max`, "max\n");
  node.write(`cgroup${path}/memory.swap.max`, "max\n");
  const { memory, swap } = await node.stats.container(id);
  assert.deepEqual([memory?.availableBytes, swap?.swapAvailableBytes], [null, null]);
});

test("a working set above a limit that was lowered leaves 0 available", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  node.write(`cgroup${path}/memory.max`, "1000000\n");
  assert.deepEqual((await node.stats.container(id)).memory?.availableBytes, value("0"));
});

test("a host that has a part switched off tells the others", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  for (const name of ["memory.current", "io.pressure", "cpu.pressure"]) node.remove(`cgroup${path}/${name}`);
  const stats = await node.stats.container(id);
  assert.deepEqual(Object.keys(stats), ["attributes", "cpu", "swap"]);
  assert.equal(stats.cpu?.psi, null);
});

const ended = containerInspect({
  Id: fullId("e0"),
  Config: labels({}),
  State: { Running: false, Pid: 0, Status: "exited" },
});
const vanished = containerInspect({ Id: fullId("e1"), Config: labels({}), State: { Pid: 77 } });
const reused = containerInspect({ Id: fullId("e2"), Config: labels({}), State: { Pid: 78 } });

for (const [title, dead] of [
  ["has ended", ended],
  ["ends before the inventory knows it", vanished],
  ["has ended and left its pid to another's process", reused],
] as const) {
  test(`a container that ${title} is in no list, and has attributes only when asked for by id`, async (t) => {
    const node = nodeTree(t, [dead, container]);
    node.process(4242, path);
    node.process(78, `/docker/${fullId("ff")}`);
    const listed = await node.stats.containers(null);
    assert.deepEqual(
      listed.map(({ attributes }) => attributes?.id),
      [id],
    );
    const stats = await node.stats.container(dead.Id);
    assert.deepEqual([stats.attributes?.id, Object.keys(stats)], [dead.Id, ["attributes"]]);
  });
}

test("a container whose cgroup goes while it is read is left out, as one that has ended", async (t) => {
  const node = nodeTree(t, [container]);
  let looks = 0;
  t.mock.method(node.files, "process", () => (looks++ === 0 ? `0::${path}\n` : undefined));
  assert.deepEqual(await node.stats.containers(null), []);
});

test("a container that ends between two answers is left out, also when its pid is another's by then", async (t) => {
  const node = nodeTree(t, [container], 0);
  node.processV1(4242, path);
  assert.equal((await node.stats.containers(null)).length, 1);
  for (const controller of ["memory", "cpuacct", "pids"]) node.remove(`cgroup/${controller}${path}`);
  node.process(4242, `/docker/${fullId("ff")}`);
  assert.deepEqual(await node.stats.containers(null), []);
});

test("a container that was started again is told by its new cgroup", async (t) => {
  const found = [container];
  const node = nodeTree(t, found);
  node.process(4242, path);
  await node.stats.containers(null);
  const moved = containerInspect({ ...container, State: { Pid: 4300, StartedAt: "2024-01-02T00:00:00Z" } });
  found[0] = moved;
  node.process(4300, `/docker/${id}`, { ...filesOfV2, "cpu.stat": "usage_usec 7\n" });
  const [stats] = await node.stats.containers(null);
  assert.deepEqual(stats?.cpu?.usageCoreNanoSeconds, value("7000"));
});

test("the files that a container wrote are told when they have been counted, also after its end", async (t) => {
  const node = nodeTree(t, [ended, container]);
  node.process(4242, path);
  const counted = { timestamp: "5", usedBytes: value("4096"), inodesUsed: value("1") };
  assert.equal((await node.stats.container(id)).writableLayer, undefined);
  for (const { Id } of [ended, container]) node.layers.set(Id, counted);
  assert.deepEqual((await node.stats.containers(null))[0]?.writableLayer, counted);
  assert.deepEqual((await node.stats.container(ended.Id)).writableLayer, counted);
});

test("a file that is there and cannot be read is an error with its name", async (t) => {
  const node = nodeTree(t, [container]);
  node.process(4242, path);
  node.remove(`cgroup${path}/memory.stat`);
  node.write(`cgroup${path}/memory.stat/x`, "");
  await assert.rejects(node.stats.container(id), {
    kind: "internal",
    message: /memory\.stat cannot be read/,
  });
});

test("an unknown id is not found", async (t) => {
  await assert.rejects(nodeTree(t, []).stats.container("c0"), { kind: "notFound" });
});

const three = [
  containerInspect({ Id: fullId("a1"), Config: labels({ app: "web", tier: "1" }), State: { Pid: 1 } }),
  containerInspect({ Id: fullId("a2"), Config: labels({ app: "db" }), State: { Pid: 2 } }),
  containerInspect({ Id: fullId("b3"), Config: labels({ app: "web" }, fullId("5b")), State: { Pid: 3 } }),
];
const filters: { title: string; filter: ContainerStatsFilter | null; want: string[] }[] = [
  { title: "no filter", filter: null, want: ["a1", "a2", "b3"] },
  { title: "an empty filter", filter: {}, want: ["a1", "a2", "b3"] },
  { title: "the beginning of an id", filter: { id: "a" }, want: ["a1", "a2"] },
  { title: "a whole id", filter: { id: fullId("a2") }, want: ["a2"] },
  { title: "the middle of an id", filter: { id: "1" }, want: [] },
  { title: "the beginning of a pod's id", filter: { podSandboxId: "5b" }, want: ["b3"] },
  { title: "a label", filter: { labelSelector: { app: "web" } }, want: ["a1", "b3"] },
  { title: "two labels", filter: { labelSelector: { app: "web", tier: "1" } }, want: ["a1"] },
  { title: "a label's other value", filter: { labelSelector: { app: "mail" } }, want: [] },
  {
    title: "a label that is Docker's and not the client's",
    filter: { labelSelector: { "io.kubernetes.docker.type": "container" } },
    want: [],
  },
  {
    title: "everything at once",
    filter: { id: "a", podSandboxId: "5a", labelSelector: { app: "db" } },
    want: ["a2"],
  },
  { title: "parts of which one does not match", filter: { id: "a", podSandboxId: "5b" }, want: [] },
];
for (const { title, filter, want } of filters) {
  test(`the list by ${title}`, async (t) => {
    const node = nodeTree(t, three);
    three.forEach(({ Id, State }) => node.process(State.Pid, `/docker/${Id}`));
    const output = filter && received<ContainerStatsFilter__Output>("ContainerStatsFilter", filter);
    const listed = await node.stats.containers(output);
    assert.deepEqual(
      listed.map(({ attributes }) => attributes?.id?.slice(0, 2)),
      want,
    );
  });
}
