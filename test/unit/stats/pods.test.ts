/** What a client is told of pods, on trees of plain files. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import type {
  PodSandboxStatsFilter,
  PodSandboxStatsFilter__Output,
} from "../../../src/generated/runtime/v1/PodSandboxStatsFilter.js";
import {
  containerInspect,
  fullId,
  received,
  sandboxId,
  sandboxInspect,
  type DeepPartial,
} from "../../support/builders.js";
import { nodeTree } from "./node-tree.js";
import { filesOfV2 } from "./texts.js";

const value = (text: string) => ({ value: text });
const pod = "/kubepods/pod1";
const counters = (name: string, rx: number, tx: number) =>
  `${name}: ${rx} 1 2 0 0 0 0 0 ${tx} 1 3 0 0 0 0 0\n`;
const inPod = { HostConfig: { CgroupParent: pod } };

const sandbox = (overrides: DeepPartial<ContainerInspect> = inPod) =>
  sandboxInspect({ State: { Pid: 100 }, ...overrides });
const first = containerInspect({ Id: fullId("c1"), State: { Pid: 101 } });
const second = containerInspect({ Id: fullId("c2"), State: { Pid: 102 } });
const stranger = containerInspect({
  Id: fullId("c3"),
  State: { Pid: 103 },
  Config: {
    Labels: { "io.kubernetes.docker.type": "container", "io.kubernetes.sandbox.id": fullId("5b") },
  },
});

/** A pod with two containers, in that parent; each uses what texts.ts says. */
function podTree(t: TestContext, parent: string, pause: ContainerInspect, others: ContainerInspect[] = []) {
  const node = nodeTree(t, [pause, first, second, stranger, ...others]);
  for (const { Id, State } of [pause, first, second]) node.process(State.Pid, `${parent}/${Id}`);
  node.process(103, `/docker/${stranger.Id}`);
  return node;
}
const idsOf = (stats: { attributes?: { id?: string } | null }[] = []) =>
  stats.map(({ attributes }) => attributes?.id?.slice(0, 2));

test("a pod in a cgroup of the kubelet's is told by that cgroup, with its limit and its pressure", async (t) => {
  const node = podTree(t, pod, sandbox());
  node.cgroup(pod, {
    ...filesOfV2,
    "cpu.stat": "usage_usec 90000000\n",
    "memory.current": "50000000\n",
  });
  // What a container's systemd made, with two processes of its own.
  node.cgroup(`${pod}/${first.Id}/init.scope`, { "cgroup.procs": "201\n202\n" });
  await node.clock.advance(1000);
  const { attributes, linux } = await node.stats.pod("5a");
  assert.deepEqual(attributes, {
    id: sandboxId,
    metadata: { name: "web", namespace: "default", uid: "u-1", attempt: 0 },
    labels: {},
    annotations: {},
  });
  assert.deepEqual(linux?.cpu?.usageCoreNanoSeconds, value("90000000000"));
  assert.deepEqual(linux?.memory?.workingSetBytes, value("44000000"));
  assert.deepEqual(linux?.memory?.availableBytes, value("23108864"));
  assert.deepEqual(linux?.process, { timestamp: "1000000000", processCount: value("5") });
  assert.equal(linux?.io?.psi?.Some?.Total, "123456");
  assert.deepEqual(idsOf(linux?.containers), ["c1", "c2"]);
  assert.deepEqual(linux?.containers?.[0]?.memory?.workingSetBytes, value("4000000"));
});

test("a pod without a cgroup parent is the sum of its sandbox and containers, without a limit", async (t) => {
  const node = podTree(t, "/docker", sandbox({}));
  const { linux } = await node.stats.pod(sandboxId);
  assert.deepEqual(linux?.cpu?.usageCoreNanoSeconds, value("15000000000"));
  assert.deepEqual(linux?.memory?.workingSetBytes, value("12000000"));
  assert.deepEqual(linux?.memory?.availableBytes, null);
  assert.deepEqual(linux?.process?.processCount, value("3"));
  assert.deepEqual([linux?.cpu?.psi, linux?.io], [null, undefined]);
});

for (const [title, parent, pause, want] of [
  ["of the kubelet's cgroup", pod, sandbox(), "250000000"],
  ["of all that run in it", "/docker", sandbox({}), "750000000"],
] as const) {
  test(`the second answer tells how much of a core a pod uses: ${title}`, async (t) => {
    const node = podTree(t, parent, pause);
    if (parent === pod) node.cgroup(pod);
    const cgroups = [pause, first, second].map(({ Id }) => `${parent}/${Id}`);
    await node.stats.pods(null);
    for (const path of parent === pod ? [pod] : cgroups) {
      node.write(`cgroup${path}/cpu.stat`, "usage_usec 6000000\n");
    }
    await node.clock.advance(4000);
    assert.deepEqual((await node.stats.pods(null))[0]?.linux?.cpu?.usageNanoCores, value(want));
  });
}

const usage = (name: string, rx: string, tx: string) => ({
  name,
  rxBytes: value(rx),
  rxErrors: value("2"),
  txBytes: value(tx),
  txErrors: value("3"),
});
const networks = [
  {
    title: "eth0 is the default one, wherever it is in the order",
    text: counters("lo", 9, 9) + counters("net1", 1, 2) + counters("eth0", 10, 20),
    want: {
      timestamp: "0",
      defaultInterface: usage("eth0", "10", "20"),
      interfaces: [usage("net1", "1", "2")],
    },
  },
  {
    title: "without eth0 it is the first",
    text: counters("lo", 9, 9) + counters("net1", 1, 2),
    want: { timestamp: "0", defaultInterface: usage("net1", "1", "2"), interfaces: [] },
  },
  { title: "a loopback alone is no network", text: counters("lo", 9, 9), want: null },
];
for (const { title, text, want } of networks) {
  test(`a pod's traffic: ${title}`, async (t) => {
    const node = podTree(t, "/docker", sandbox({}));
    node.write("proc/100/net/dev", text);
    assert.deepEqual((await node.stats.pod(sandboxId)).linux?.network, want);
  });
}

test("a pod on the node's network has no traffic of its own", async (t) => {
  const node = podTree(t, "/docker", sandbox({ HostConfig: { NetworkMode: "host" } }));
  node.write("proc/100/net/dev", counters("eth0", 10, 20));
  assert.equal((await node.stats.pod(sandboxId)).linux?.network, null);
});

test("a container that has ended is not among its pod's", async (t) => {
  const node = podTree(t, pod, sandbox());
  node.cgroup(pod);
  node.remove("proc/101");
  assert.deepEqual(idsOf((await node.stats.pod(sandboxId)).linux?.containers), ["c2"]);
});

const stopped = sandbox({ Id: fullId("5e"), State: { Running: false, Pid: 0, Status: "exited" } });
const dying = sandbox({ Id: fullId("5d"), State: { Pid: 99 } });
for (const [title, dead] of [
  ["has stopped", stopped],
  ["stops before the inventory knows it", dying],
] as const) {
  test(`a pod that ${title} is in no list, and has attributes only when asked for by id`, async (t) => {
    const node = podTree(t, "/docker", sandbox({}), [dead]);
    assert.deepEqual(idsOf(await node.stats.pods(null)), ["5a"]);
    const stats = await node.stats.pod(dead.Id);
    assert.deepEqual([stats.attributes?.id, Object.keys(stats)], [dead.Id, ["attributes"]]);
  });
}

test("an unknown pod is not found; a container is none", async (t) => {
  const node = podTree(t, "/docker", sandbox({}));
  await assert.rejects(node.stats.pod("77"), { kind: "notFound" });
  await assert.rejects(node.stats.pod(first.Id), { kind: "notFound" });
});

const labelled = (start: string, Pid: number, labels: Record<string, string>) =>
  sandbox({
    Id: fullId(start),
    State: { Pid },
    Config: { Labels: { "io.kubernetes.docker.type": "podsandbox", ...labels } },
  });
const three = [
  labelled("a1", 1, { app: "web", tier: "1" }),
  labelled("a2", 2, { app: "db" }),
  labelled("b3", 3, { app: "web" }),
];
const filters: { title: string; filter: PodSandboxStatsFilter | null; want: string[] }[] = [
  { title: "no filter", filter: null, want: ["a1", "a2", "b3"] },
  { title: "an empty filter", filter: {}, want: ["a1", "a2", "b3"] },
  { title: "the beginning of an id", filter: { id: "a" }, want: ["a1", "a2"] },
  { title: "the middle of an id", filter: { id: "1" }, want: [] },
  { title: "a label", filter: { labelSelector: { app: "web" } }, want: ["a1", "b3"] },
  { title: "two labels", filter: { labelSelector: { app: "web", tier: "1" } }, want: ["a1"] },
  { title: "both", filter: { id: "b", labelSelector: { app: "web" } }, want: ["b3"] },
  { title: "parts of which one does not match", filter: { id: "b", labelSelector: { app: "db" } }, want: [] },
];
for (const { title, filter, want } of filters) {
  test(`the list of pods by ${title}`, async (t) => {
    const node = nodeTree(t, three);
    three.forEach(({ Id, State }) => node.process(State.Pid, `/docker/${Id}`));
    const output = filter && received<PodSandboxStatsFilter__Output>("PodSandboxStatsFilter", filter);
    assert.deepEqual(idsOf(await node.stats.pods(output)), want);
  });
}
