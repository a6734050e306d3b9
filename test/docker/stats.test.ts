/** What containers use, on the real engine and the real kernel: numbers are looked at for what must be in them. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { code, docker, startNode, type RealNode, type Reply } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const mebibyte = 1024 * 1024;
const shell = (script: string) => ({ command: ["sh", "-c", script] });
const statsOf = async (container: string): Promise<Reply> =>
  (await node.runtime("ContainerStats", { container_id: container })).stats;
const idsBy = async (filter: object): Promise<string[]> =>
  (await node.runtime("ListContainerStats", { filter })).stats.map((stats: Reply) => stats.attributes.id);

test("a container that computes uses more and more processor time, of one core at most", async () => {
  const { container } = await node.start(shell("while :; do :; done"));
  const first = await statsOf(container);
  assert.equal(first.cpu.usage_nano_cores, null);
  const later = await eventually("a rate is known", async () => {
    const stats = await statsOf(container);
    return stats.cpu.usage_nano_cores !== null && stats;
  });
  const used =
    BigInt(later.cpu.usage_core_nano_seconds.value) - BigInt(first.cpu.usage_core_nano_seconds.value);
  const passed = BigInt(later.cpu.timestamp) - BigInt(first.cpu.timestamp);
  assert.ok(used > 0n, String(used));
  // A single thread cannot use more than there is; a tenth is for the reading.
  assert.ok(used <= (passed * 11n) / 10n, `${used} of ${passed}`);
  assert.ok(BigInt(later.cpu.usage_nano_cores.value) > 0n);
});

test("memory that is held is in the working set, and is missing from what is available", async () => {
  const memory_limit_in_bytes = String(128 * mebibyte);
  const { container } = await node.start({
    ...shell(`head -c ${32 * mebibyte} /dev/zero >/dev/shm/x; touch /done; sleep 1000`),
    linux: { resources: { memory_limit_in_bytes } },
  });
  await eventually("it is held", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const { memory } = await statsOf(container);
  const workingSet = Number(memory.working_set_bytes.value);
  assert.ok(workingSet >= 32 * mebibyte && workingSet <= 128 * mebibyte, String(workingSet));
  assert.equal(Number(memory.available_bytes.value) + workingSet, 128 * mebibyte);
  assert.ok(Number(memory.usage_bytes.value) >= workingSet);
  assert.ok(Number(memory.page_faults.value) > 0);
});

test("page cache that can be dropped is in the usage, and not in the working set", async (t) => {
  // The test node's own files are in memory, whose pages cannot be dropped.
  const onDisk = await mkdtemp("/var/tmp/dockershim-stats.");
  t.after(() => rm(onDisk, { recursive: true }));
  // What is used a second time is no longer the first to be dropped, so the file is not read.
  const { container } = await node.start({
    ...shell("dd if=/dev/zero of=/disk/file bs=1M count=64 && sync && touch /done; sleep 1000"),
    mounts: [{ host_path: onDisk, container_path: "/disk" }],
  });
  await eventually("it is written", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const { memory } = await statsOf(container);
  assert.ok(Number(memory.usage_bytes.value) >= 64 * mebibyte, `usage ${memory.usage_bytes.value}`);
  const workingSet = Number(memory.working_set_bytes.value);
  assert.ok(workingSet < 32 * mebibyte, `working set ${workingSet}`);
  assert.equal(memory.available_bytes, null);
});

test("lists have what runs and matches; what has ended has attributes only", async () => {
  const config = node.podConfig();
  const labels = { "stats-test": "filters" };
  const { pod, container: first } = await node.start({ labels });
  const otherPod = await node.runPod(config);
  const second = await node.create(otherPod, config, { labels });
  assert.deepEqual(await idsBy({ label_selector: labels }), [first]);
  await node.runtime("StartContainer", { container_id: second });
  assert.deepEqual((await idsBy({ label_selector: labels })).sort(), [first, second].sort());
  assert.deepEqual(await idsBy({ pod_sandbox_id: pod.slice(0, 20) }), [first]);
  assert.deepEqual(await idsBy({ id: second.slice(0, 20) }), [second]);
  assert.deepEqual(await idsBy({ id: second, pod_sandbox_id: pod }), []);
  assert.deepEqual(await idsBy({ label_selector: { "stats-test": "other" } }), []);

  await docker().getContainer(second).kill();
  await eventually("its end is seen", async () => (await idsBy({ id: second })).length === 0);
  const { attributes, cpu, memory } = await statsOf(second);
  assert.deepEqual([attributes.id, attributes.labels, cpu, memory], [second, labels, null, null]);
  await node.runtime("RemoveContainer", { container_id: second });
  await assert.rejects(statsOf(second), { code: code.NOT_FOUND });
});

test("a paused container has stats: it holds its memory still", async () => {
  const { container } = await node.start();
  await node.runtime("PauseContainer", { container_id: container });
  assert.ok(Number((await statsOf(container)).memory.usage_bytes.value) > 0);
  assert.deepEqual(await idsBy({ id: container }), [container]);
  await node.runtime("UnpauseContainer", { container_id: container });
});

const podStatsOf = async (pod: string): Promise<Reply> =>
  (await node.runtime("PodSandboxStats", { pod_sandbox_id: pod })).stats;
const podIdsBy = async (filter: object): Promise<string[]> =>
  (await node.runtime("ListPodSandboxStats", { filter })).stats.map((stats: Reply) => stats.attributes.id);

test("a pod's traffic grows with what is sent to it", async () => {
  const megabyte = 1_000_000;
  const { pod, container } = await node.start(shell("nc -l -p 9000 >/received; sleep 1000"));
  const before = (await podStatsOf(pod)).linux.network.default_interface;
  assert.equal(before.name, "eth0");
  const host = (await node.podStatus(pod)).network.ip;
  await eventually("it listens", async () => {
    const { out } = await node.exec(container, ["netstat", "-ltn"]);
    return out.includes(":9000");
  });
  const socket = connect({ host, port: 9000 });
  socket.end(Buffer.alloc(megabyte));
  await once(socket, "close");
  const receivedOf = ({ network }: Reply) =>
    Number(network.default_interface.rx_bytes.value) - Number(before.rx_bytes.value);
  // A socket is closed when all has been given to the kernel, which may still be sending.
  const linux = await eventually("all has arrived", async () => {
    const stats = (await podStatsOf(pod)).linux;
    return receivedOf(stats) >= megabyte && stats;
  });
  const { network, process: processes, containers } = linux;
  assert.ok(receivedOf(linux) < 2 * megabyte, String(receivedOf(linux)));
  assert.ok(Number(network.default_interface.tx_bytes.value) > Number(before.tx_bytes.value));
  assert.ok(Number(processes.process_count.value) >= 2);
  assert.deepEqual(
    containers.map((stats: Reply) => stats.attributes.id),
    [container],
  );
});

test("a pod on the node's network has no traffic of its own", async () => {
  const linux = { security_context: { namespace_options: { network: "NODE" } } };
  const pod = await node.runPod(node.podConfig({ linux }));
  assert.equal((await podStatsOf(pod)).linux.network, null);
});

for (const [title, parent] of [
  ["in a cgroup of its own", "/dockershim-test-stats/pod1"],
  ["without a cgroup of its own", ""],
] as const) {
  test(`a pod ${title} uses what its containers use and its sandbox does`, async () => {
    const hold = `head -c ${16 * mebibyte} /dev/zero >/dev/shm/$0; touch /done; sleep 1000`;
    const config = node.podConfig({ linux: { cgroup_parent: parent }, labels: { parent } });
    const pod = await node.runPod(config);
    for (const name of ["a", "b"]) {
      const container = await node.create(pod, config, { command: ["sh", "-c", hold, name] });
      await node.runtime("StartContainer", { container_id: container });
      await eventually("it is held", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
    }
    const { memory, cpu, containers } = (await podStatsOf(pod)).linux;
    assert.ok(Number(memory.working_set_bytes.value) >= 32 * mebibyte, memory.working_set_bytes.value);
    assert.ok(Number(memory.usage_bytes.value) < 256 * mebibyte, memory.usage_bytes.value);
    assert.ok(Number(cpu.usage_core_nano_seconds.value) > 0);
    assert.equal(containers.length, 2);

    assert.deepEqual(await podIdsBy({ label_selector: { parent }, id: pod.slice(0, 20) }), [pod]);
    assert.deepEqual(await podIdsBy({ label_selector: { parent: "other" } }), []);
    await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
    assert.deepEqual(await podIdsBy({ id: pod }), []);
    const { attributes, linux } = await podStatsOf(pod);
    assert.deepEqual([attributes.id, attributes.labels, linux], [pod, { parent }, null]);
    await node.removePod(pod);
    await assert.rejects(podStatsOf(pod), { code: code.NOT_FOUND });
  });
}

test("the files that a container wrote are counted, and known to a server that starts later", async () => {
  const { container } = await node.start(
    shell("dd if=/dev/zero of=/file bs=1M count=8 && touch /done; sleep 1000"),
  );
  await eventually("it is written", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const other = await startNode();
  try {
    const { writable_layer } = await eventually("it is counted", async () => {
      const { stats } = await other.runtime("ContainerStats", { container_id: container });
      return stats.writable_layer !== null && stats;
    });
    const { DockerRootDir } = (await docker().info()) as { DockerRootDir: string };
    const { fs_id, used_bytes, inodes_used } = writable_layer;
    assert.equal(fs_id.mountpoint, DockerRootDir);
    assert.ok(Number(used_bytes.value) >= 8 * mebibyte && Number(used_bytes.value) < 9 * mebibyte);
    assert.ok(Number(inodes_used.value) >= 3);
  } finally {
    await other.close();
  }
});
