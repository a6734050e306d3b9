/** Limits of containers on the real engine, as they are made and as they are changed while a container runs. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { code, docker, startNode, type RealNode, type Reply } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const mebibyte = 1024 * 1024;
const pidOf = async (container: string): Promise<number> =>
  (await docker().getContainer(container).inspect()).State.Pid;

/** A file of the container's cgroup of version 1. */
async function cgroupFile(container: string, controller: string, file: string): Promise<string> {
  const lines = (await readFile(`/proc/${await pidOf(container)}/cgroup`, "utf8")).split("\n");
  const line = lines.find((text) => text.split(":")[1]?.split(",").includes(controller)) ?? assert.fail();
  const folder = line.split(":")[2] ?? "";
  return (await readFile(`/sys/fs/cgroup/${controller}${folder}/${file}`, "utf8")).trim();
}
const resourcesOf = async (container: string): Promise<Reply> =>
  (await node.status(container)).resources.linux;
const update = (container: string, linux: object) =>
  node.runtime("UpdateContainerResources", { container_id: container, linux });
const scoreOf = async (pid: number | string) => Number(await readFile(`/proc/${pid}/oom_score_adj`, "utf8"));

test("a running container's limits change at once, and its status tells the new ones", async () => {
  const resources = { cpu_shares: "128", cpu_quota: "50000", cpu_period: "100000" };
  const memory_limit_in_bytes = String(64 * mebibyte);
  const { container } = await node.start({ linux: { resources: { ...resources, memory_limit_in_bytes } } });
  assert.equal(await cgroupFile(container, "memory", "memory.limit_in_bytes"), memory_limit_in_bytes);
  assert.equal(await cgroupFile(container, "cpu", "cpu.shares"), "128");
  const larger = String(128 * mebibyte);
  await update(container, { cpu_shares: "512", cpu_quota: "20000", memory_limit_in_bytes: larger });
  assert.equal(await cgroupFile(container, "memory", "memory.limit_in_bytes"), larger);
  assert.equal(await cgroupFile(container, "cpu", "cpu.shares"), "512");
  assert.equal(await cgroupFile(container, "cpu", "cpu.cfs_quota_us"), "20000");
  const { cpu_shares, cpu_quota, cpu_period, memory_limit_in_bytes: memory } = await resourcesOf(container);
  assert.deepEqual([cpu_shares, cpu_quota, cpu_period, memory], ["512", "20000", "100000", larger]);
  // Smaller again, and without a quota; annotations have no meaning here.
  const linux = { cpu_quota: "-1", memory_limit_in_bytes };
  await node.runtime("UpdateContainerResources", { container_id: container, linux, annotations: { a: "b" } });
  assert.equal(await cgroupFile(container, "cpu", "cpu.cfs_quota_us"), "-1");
  assert.equal(await cgroupFile(container, "memory", "memory.limit_in_bytes"), memory_limit_in_bytes);
  await assert.rejects(
    node.runtime("UpdateContainerResources", { container_id: container, linux, windows: {} }),
    { code: code.INVALID_ARGUMENT, details: "windows: this is a Linux host" },
  );
  // What a change does not name stays.
  assert.equal((await resourcesOf(container)).cpu_shares, "512");
});

test("a container that has not been started starts with its changed limits", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const container = await node.create(pod, config, { linux: { resources: { cpu_shares: "128" } } });
  await update(container, { cpu_shares: "256", cpuset_cpus: "0" });
  await node.runtime("StartContainer", { container_id: container });
  assert.equal(await cgroupFile(container, "cpu", "cpu.shares"), "256");
  assert.equal(await cgroupFile(container, "cpuset", "cpuset.cpus"), "0");
});

test("oom_score_adj changes for every process of the container, and is known to the next server", async () => {
  const command = ["sh", "-c", "sleep 1000 & sleep 1001 & wait"];
  const { container } = await node.start({ command, linux: { resources: { oom_score_adj: "300" } } });
  const { out } = await node.exec(container, ["true"]);
  assert.equal(out, "");
  assert.equal(await scoreOf(await pidOf(container)), 300);
  await update(container, { oom_score_adj: "700" });
  const members = (await cgroupFile(container, "memory", "cgroup.procs")).split("\n");
  assert.ok(members.length >= 3, members.join());
  for (const member of members) assert.equal(await scoreOf(member), 700);
  assert.equal((await resourcesOf(container)).oom_score_adj, "700");
  const other = await startNode({ ...node.config, socketPath: `${node.config.socketPath}.2` });
  try {
    assert.equal((await other.status(container)).resources.linux.oom_score_adj, "700");
  } finally {
    await other.close();
  }
});

test("a limit that the container is over already is an error, and the old one stays", async () => {
  // Memory in a file of /dev/shm cannot be given back.
  const command = ["sh", "-c", `head -c ${32 * mebibyte} /dev/zero >/dev/shm/x; sleep 1000`];
  const memory_limit_in_bytes = String(128 * mebibyte);
  const { container } = await node.start({ command, linux: { resources: { memory_limit_in_bytes } } });
  await eventually("the memory is in use", async () => {
    const { out } = await node.exec(container, ["stat", "-c", "%s", "/dev/shm/x"]);
    return out === `${32 * mebibyte}\n`;
  });
  await assert.rejects(update(container, { memory_limit_in_bytes: String(16 * mebibyte) }));
  assert.equal((await resourcesOf(container)).memory_limit_in_bytes, memory_limit_in_bytes);
  assert.equal((await node.status(container)).state, "CONTAINER_RUNNING");
});

test("what this host's cgroups do not have is refused, where it would have an effect", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const hugepages = (limit: string) => ({
    linux: { resources: { hugepage_limits: [{ page_size: "2MB", limit }] } },
  });
  // As a kubelet sends it for every container that asks for none.
  const none = await node.create(pod, config, hugepages("0"));
  await node.runtime("StartContainer", { container_id: none });
  assert.deepEqual(
    (await resourcesOf(none)).hugepage_limits.map((limit: object) => ({ ...limit })),
    [{ page_size: "2MB", limit: "0" }],
  );
  const unified = { linux: { resources: { unified: { "memory.high": "1048576" } } } };
  await assert.rejects(node.create(pod, config, unified), {
    code: code.INVALID_ARGUMENT,
    details: /unified \(memory\.high\) needs cgroups of version 2/,
  });
});

test("a pod's resources are the kubelet's, and taken note of", async () => {
  const pod = await node.runPod(node.podConfig());
  const resources = { cpu_shares: "100" };
  await node.runtime("UpdatePodSandboxResources", { pod_sandbox_id: pod, resources });
  await assert.rejects(
    node.runtime("UpdatePodSandboxResources", { pod_sandbox_id: "no-such-pod", resources }),
    { code: code.NOT_FOUND },
  );
  const wrong = { pod_sandbox_id: pod, overhead: { cpu_shares: "-1" } };
  await assert.rejects(node.runtime("UpdatePodSandboxResources", wrong), { details: /overhead\.cpu_shares/ });
});
