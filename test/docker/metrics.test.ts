/** Metrics for the kubelet's /metrics/cadvisor, on the real engine and the real kernel. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { docker, startNode, type RealNode, type Reply } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const mebibyte = 1024 * 1024;
const shell = (script: string) => ({ command: ["sh", "-c", script] });
const podMetricsOf = async (pod: string): Promise<Reply> =>
  (await node.runtime("ListPodSandboxMetrics", {})).pod_metrics.find(
    ({ pod_sandbox_id }: Reply) => pod_sandbox_id === pod,
  );
/** Values by the metric's own labels: "" for none. */
function valuesOf(metrics: Reply[], name: string): Record<string, number> {
  const found = metrics.filter((metric) => metric.name === name);
  return Object.fromEntries(
    found.map(({ label_values, value }) => [label_values.slice(5).join(), Number(value.value)]),
  );
}
const containerMetricsOf = async (pod: string): Promise<Reply[]> =>
  (await podMetricsOf(pod)).container_metrics[0].metrics;

test("a container with limits has every metric that is described, with the labels that are described", async () => {
  const { descriptors } = await node.runtime("ListMetricDescriptors", {});
  const resources = { cpu_period: 100_000, cpu_quota: 20_000, memory_limit_in_bytes: String(64 * mebibyte) };
  const { pod } = await node.start({ ...shell("echo x >/file; sleep 1000"), linux: { resources } });
  const { metrics, container_metrics } = await podMetricsOf(pod);
  const all: Reply[] = [...metrics, ...container_metrics[0].metrics];
  const labelsOf = new Map(descriptors.map(({ name, label_keys }: Reply) => [name, label_keys.length]));
  for (const { name, label_values } of all) assert.equal(label_values.length, labelsOf.get(name), name);
  const told = new Set(all.map(({ name }) => name));
  // What depends on the host: pressure and huge pages have no limits here, and a device may have done nothing yet.
  const missing = descriptors
    .map(({ name }: Reply) => name)
    .filter((name: string) => !told.has(name) && !/pressure|hugetlb|fs_(reads|writes)|blkio/.test(name));
  assert.deepEqual(missing, []);
  assert.equal(valuesOf(all, "container_spec_cpu_quota")[""], 20_000);
  assert.equal(valuesOf(all, "container_spec_memory_limit_bytes")[""], 64 * mebibyte);
  await node.removePod(pod);
});

test("the processor time that a container has used is told in whole seconds, and grows", async () => {
  const { pod, container } = await node.start(shell("while :; do :; done"));
  await eventually("a second has been used", async () => {
    const { total } = valuesOf(await containerMetricsOf(pod), "container_cpu_usage_seconds_total");
    return total !== undefined && total >= 1;
  });
  const exact = (await node.runtime("ContainerStats", { container_id: container })).stats.cpu;
  const { total = 0 } = valuesOf(await containerMetricsOf(pod), "container_cpu_usage_seconds_total");
  assert.ok(total >= Math.floor(Number(exact.usage_core_nano_seconds.value) / 1e9), String(total));
  await node.removePod(pod);
});

test("processes, threads, descriptors and sockets are counted", async () => {
  const { pod, container } = await node.start(
    shell("nc -l -p 9000 >/dev/null & exec 8>/a 9>/b; sleep 1000; :"),
  );
  await eventually("it listens", async () =>
    (await node.exec(container, ["netstat", "-ltn"])).out.includes(":9000"),
  );
  const metrics = await eventually("nothing else runs there", async () => {
    const found = await containerMetricsOf(pod);
    return valuesOf(found, "container_processes")[""] === 3 && found;
  });
  const value = (name: string) => valuesOf(metrics, name)[""];
  assert.equal(value("container_threads"), 3);
  assert.equal(value("container_sockets"), 1);
  // Three each, the shell's two files, which sleep has too, and nc's socket.
  assert.ok((value("container_file_descriptors") ?? 0) >= 3 * 3 + 2 + 1);
  assert.ok((valuesOf(metrics, "container_ulimits_soft")["max_open_files"] ?? 0) > 0);
  await node.removePod(pod);
});

test("what a container wrote is told soon after its start, and its device is that of Docker's data", async () => {
  const { pod, container } = await node.start(
    shell("dd if=/dev/zero of=/file bs=1M count=8 && touch /done; sleep 1000"),
  );
  await eventually("it is written", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const metrics = await containerMetricsOf(pod);
  const usage = Object.values(valuesOf(metrics, "container_fs_usage_bytes"));
  assert.ok(usage.length === 1 && (usage[0] ?? 0) >= 8 * mebibyte, String(usage));
  assert.deepEqual(
    Object.keys(valuesOf(metrics, "container_fs_limit_bytes")),
    Object.keys(valuesOf(metrics, "container_fs_usage_bytes")),
  );
  await node.removePod(pod);
});

test("a pod in a cgroup of its own has metrics of that cgroup, and its traffic", async () => {
  const config = node.podConfig({ linux: { cgroup_parent: "/dockershim-test-metrics/pod1" } });
  const pod = await node.runPod(config);
  const container = await node.create(
    pod,
    config,
    shell(`head -c ${16 * mebibyte} /dev/zero >/dev/shm/x; touch /done; sleep 1000`),
  );
  await node.runtime("StartContainer", { container_id: container });
  await eventually("it is held", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const { metrics, container_metrics } = await podMetricsOf(pod);
  const held = "container_memory_working_set_bytes";
  assert.ok((valuesOf(metrics, held)[""] ?? 0) >= 16 * mebibyte);
  assert.ok((valuesOf(container_metrics[0].metrics, held)[""] ?? 0) >= 16 * mebibyte);
  assert.ok((valuesOf(metrics, "container_network_receive_packets_total")["eth0"] ?? -1) >= 0);
  await node.removePod(pod);
});

test("a process that was killed for want of memory is counted", async () => {
  const resources = {
    memory_limit_in_bytes: String(16 * mebibyte),
    memory_swap_limit_in_bytes: String(16 * mebibyte),
  };
  // tail keeps in memory what has no end of line. The shell, which is the first process, lives on.
  const { pod } = await node.start({
    ...shell("tail /dev/zero; sleep 1000"),
    linux: { resources },
  });
  await eventually("it is killed", async () => {
    const killed = valuesOf(await containerMetricsOf(pod), "container_oom_events_total")[""];
    return killed !== undefined && killed >= 1;
  });
  await node.removePod(pod);
});

test("a container that has ended, and a sandbox that was stopped, are left out", async () => {
  const { pod, container } = await node.start();
  await docker().getContainer(container).kill();
  await eventually("its end is seen", async () => (await podMetricsOf(pod)).container_metrics.length === 0);
  await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
  assert.equal(await podMetricsOf(pod), undefined);
  await node.removePod(pod);
});
