/** What the kubelet is told of pods and containers, on trees of plain files. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import type { Metric } from "../../../src/generated/runtime/v1/Metric.js";
import type { PodSandboxMetrics } from "../../../src/generated/runtime/v1/PodSandboxMetrics.js";
import { containerInspect, fullId, sandboxId, sandboxInspect } from "../../support/builders.js";
import { nodeTree } from "../stats/node-tree.js";
import { filesOfV2 } from "./texts.js";

const pod = "/kubepods/pod1";
const sandbox = sandboxInspect({ State: { Pid: 100 }, HostConfig: { CgroupParent: pod } });
const container = containerInspect({
  Id: fullId("c1"),
  State: { Pid: 101, StartedAt: "2024-01-01T00:00:00.9Z" },
  Config: { Image: "busybox:1" },
});
const netDev = "  eth0: 1000 10 2 5 0 0 0 0 3000 30 4 6 0 0 0 0\n  net1: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";

function podTree(t: TestContext, found: ContainerInspect[] = [sandbox, container], keptOpen?: number) {
  const node = nodeTree(t, found, keptOpen);
  mkdirSync(join(node.folder, "sys/kernel/mm/hugepages/hugepages-2048kB"), { recursive: true });
  for (const { Id, State } of found) node.process(State.Pid, `${pod}/${Id}`, filesOfV2);
  node.cgroup(pod, { ...filesOfV2, "memory.current": "50000000\n" });
  node.write("proc/100/net/dev", netDev);
  node.write(
    "proc/101/limits",
    "Max open files            1024                 4096                 files     \n",
  );
  return node;
}
type Tree = ReturnType<typeof nodeTree>;

/** Open descriptors of a process, by what they lead to. */
function openFiles(node: Tree, pid: number, targets: string[]): void {
  const folder = join(node.folder, `proc/${pid}/fd`);
  mkdirSync(folder, { recursive: true });
  targets.forEach((target, index) => symlinkSync(target, join(folder, String(index))));
}

async function metricsOf(node: Tree): Promise<PodSandboxMetrics[]> {
  const pods = [];
  for await (const one of node.metrics().pods()) pods.push(one);
  return pods;
}
const named = (metrics: Metric[] = [], name: string) => metrics.filter((metric) => metric.name === name);
const valuesOf = (metrics: Metric[] | undefined, name: string) =>
  named(metrics, name).map(({ value, labelValues }) => [...(labelValues ?? []).slice(5), value?.value]);

test("every metric has a descriptor, with as many labels, and no two have all labels alike", async (t) => {
  const node = podTree(t);
  node.layers.set(container.Id, { timestamp: "5", usedBytes: { value: "4096" } });
  node.write("proc/self/cgroup", "0::/x\n");
  node.write("cgroup/cgroup.controllers", "cpu hugetlb memory\n");
  const descriptors = node.metrics().descriptors();
  const keys = new Map(descriptors.map(({ name, labelKeys }) => [name, labelKeys?.length]));
  const [one] = await metricsOf(node);
  const all = [...(one?.metrics ?? []), ...(one?.containerMetrics?.[0]?.metrics ?? [])];
  for (const { name, labelValues } of all) assert.equal(labelValues?.length, keys.get(name), name);
  const series = all.map(({ name, labelValues }) => [name, ...(labelValues ?? [])].join());
  assert.equal(new Set(series).size, series.length);
  // The most huge pages are not told by version 2: all else that is described is there.
  const told = new Set(all.map(({ name }) => name));
  assert.deepEqual(
    descriptors.map(({ name }) => name).filter((name) => !told.has(name)),
    ["container_hugetlb_max_usage_bytes"],
  );
});

test("a host with cgroups of version 1 does not describe what it cannot tell", (t) => {
  const node = podTree(t);
  node.write("proc/self/cgroup", "4:memory:/\n");
  const names = node
    .metrics()
    .descriptors()
    .map(({ name }) => name);
  assert.ok(names.includes("container_cpu_usage_seconds_total"));
  assert.ok(!names.includes("container_memory_events_high_total"));
  assert.ok(!names.includes("container_hugetlb_failcnt"));
});

test("a container's metrics carry its names and its image, a pod's neither container nor image", async (t) => {
  const [one] = await metricsOf(podTree(t));
  const labels = (metrics?: Metric[]) =>
    named(metrics, "container_memory_usage_bytes").map((m) => m.labelValues);
  assert.equal(one?.podSandboxId, sandboxId);
  assert.deepEqual(labels(one?.metrics), [[sandboxId, "", "default", "web", ""]]);
  assert.deepEqual(labels(one?.containerMetrics?.[0]?.metrics), [
    [container.Id, "busybox:1", "default", "web", "app"],
  ]);
  assert.deepEqual(valuesOf(one?.metrics, "container_memory_usage_bytes"), [["50000000"]]);
});

test("counters and gauges are told apart, and what is measured for the answer has no time of its own", async (t) => {
  const [one] = await metricsOf(podTree(t));
  const metrics = one?.containerMetrics?.[0]?.metrics;
  const [usage] = named(metrics, "container_cpu_usage_seconds_total");
  assert.deepEqual(usage, {
    name: "container_cpu_usage_seconds_total",
    timestamp: "0",
    metricType: "COUNTER",
    labelValues: [container.Id, "busybox:1", "default", "web", "app", "total"],
    value: { value: "5" },
  });
  assert.equal(named(metrics, "container_memory_rss")[0]?.metricType, "GAUGE");
});

test("a pod's traffic is told by interface", async (t) => {
  const [one] = await metricsOf(podTree(t));
  assert.deepEqual(valuesOf(one?.metrics, "container_network_receive_packets_dropped_total"), [
    ["eth0", "5"],
    ["net1", "0"],
  ]);
  assert.deepEqual(valuesOf(one?.metrics, "container_network_transmit_bytes_total")[0], ["eth0", "3000"]);
});

test("a pod on the node's network has no traffic of its own", async (t) => {
  const onHost = sandboxInspect({
    State: { Pid: 100 },
    HostConfig: { CgroupParent: pod, NetworkMode: "host" },
  });
  const [one] = await metricsOf(podTree(t, [onHost, container]));
  assert.deepEqual(valuesOf(one?.metrics, "container_network_receive_bytes_total"), []);
  assert.deepEqual(valuesOf(one?.metrics, "container_memory_usage_bytes"), [["50000000"]]);
});

test("a pod without a cgroup of its own has its traffic, and its containers' metrics", async (t) => {
  const loose = sandboxInspect({ State: { Pid: 100 } });
  const [one] = await metricsOf(podTree(t, [loose, container]));
  assert.deepEqual(valuesOf(one?.metrics, "container_memory_usage_bytes"), []);
  assert.equal(valuesOf(one?.metrics, "container_network_receive_bytes_total").length, 2);
  assert.equal(valuesOf(one?.containerMetrics?.[0]?.metrics, "container_memory_usage_bytes").length, 1);
});

test("processes, descriptors and sockets are those of all processes of the container", async (t) => {
  const node = podTree(t);
  node.cgroup(`${pod}/${container.Id}`, { "cgroup.procs": "101\n102\n" });
  openFiles(node, 101, ["/dev/null", "socket:[1]"]);
  openFiles(node, 102, ["socket:[2]", "pipe:[3]", "socket:[4]"]);
  const metrics = (await metricsOf(node))[0]?.containerMetrics?.[0]?.metrics;
  const value = (name: string) => valuesOf(metrics, name);
  assert.deepEqual(value("container_processes"), [["2"]]);
  assert.deepEqual(value("container_file_descriptors"), [["5"]]);
  assert.deepEqual(value("container_sockets"), [["3"]]);
  assert.deepEqual(value("container_ulimits_soft"), [["max_open_files", "1024"]]);
});

for (const [title, fill] of [
  ["257 processes", (node: Tree) => ({ processes: 257, node })],
  [
    "2049 descriptors",
    (node: Tree) => {
      openFiles(
        node,
        101,
        Array.from({ length: 2049 }, () => "/dev/null"),
      );
      return { processes: 1, node };
    },
  ],
] as const) {
  test(`of a container with ${title} the descriptors are not counted`, async (t) => {
    const { processes, node } = fill(podTree(t));
    const pids = Array.from({ length: processes }, (_, index) => 101 + index);
    node.cgroup(`${pod}/${container.Id}`, { "cgroup.procs": `${pids.join("\n")}\n` });
    const metrics = (await metricsOf(node))[0]?.containerMetrics?.[0]?.metrics;
    assert.deepEqual(valuesOf(metrics, "container_processes"), [[String(processes)]]);
    assert.deepEqual(named(metrics, "container_file_descriptors"), []);
    assert.deepEqual(named(metrics, "container_sockets"), []);
  });
}

test("what a container wrote has the time of its counting, and is absent before", async (t) => {
  const node = podTree(t);
  const usage = async () =>
    named((await metricsOf(node))[0]?.containerMetrics?.[0]?.metrics, "container_fs_usage_bytes");
  assert.deepEqual(await usage(), []);
  node.layers.set(container.Id, { timestamp: "5000000000", usedBytes: { value: "4096" } });
  const [counted] = await usage();
  assert.deepEqual([counted?.timestamp, counted?.value], ["5000000000", { value: "4096" }]);
});

test("the start and the answer's moment are told in seconds", async (t) => {
  const node = podTree(t);
  await node.clock.advance(7900);
  const metrics = (await metricsOf(node))[0]?.containerMetrics?.[0]?.metrics;
  assert.deepEqual(valuesOf(metrics, "container_start_time_seconds"), [["1704067200"]]);
  assert.deepEqual(valuesOf(metrics, "container_last_seen"), [["7"]]);
});

test("containers and sandboxes that do not run, or end while they are read, are left out", async (t) => {
  const stopped = containerInspect({ Id: fullId("c2"), State: { Running: false, Pid: 0 } });
  const dying = containerInspect({ Id: fullId("c3"), State: { Pid: 103 } });
  const node = podTree(t, [sandbox, container, dying], 0);
  node.found.push(stopped);
  const ids = async () =>
    (await metricsOf(node)).map((one) => one.containerMetrics?.map((c) => c.containerId));
  assert.deepEqual(await ids(), [[container.Id, dying.Id]]);
  node.process(103, `/docker/${fullId("ff")}`);
  assert.deepEqual(await ids(), [[container.Id]]);
  // The pod's cgroup is there still: it is the kubelet's.
  node.remove("proc/100");
  assert.deepEqual(await ids(), []);
});
