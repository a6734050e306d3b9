import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const statusOf = async (id: string) =>
  (await node.runtime("PodSandboxStatus", { pod_sandbox_id: id })).status;
const ours = async () => (await docker().listContainers({ all: true })).map(({ Id }) => Id).sort();

test("a pod has the name, labels, annotations and address that it was given", async () => {
  const config = node.podConfig({
    labels: { app: "web", "annotation.odd": "a label that looks like an annotation" },
    annotations: { "example.com/note": "ünï", empty: "" },
  });
  const before = BigInt(Date.now() - 1000) * 1_000_000n;
  const id = await node.runPod(config);
  const status = await statusOf(id);
  assert.equal(status.state, "SANDBOX_READY");
  assert.deepEqual({ ...status.metadata }, config.metadata);
  assert.deepEqual({ ...status.labels }, config.labels);
  assert.deepEqual({ ...status.annotations }, config.annotations);
  assert.match(status.network.ip, /^\d+\.\d+\.\d+\.\d+$/);
  assert.equal(status.runtime_handler, "");
  const created = BigInt(status.created_at);
  assert.ok(created > before && created % 1000n !== 0n, `created_at ${created} has nanoseconds of now`);
  const { items } = await node.runtime("ListPodSandbox", { filter: { id: id.slice(0, 12) } });
  assert.equal(items.length, 1);
  assert.equal(items[0].created_at, status.created_at);
});

test("DNS, host name and sysctls reach the pod's containers exactly", async () => {
  const { container } = await node.start(
    {},
    {
      hostname: "chosen-name",
      dns_config: {
        servers: ["10.9.8.7", "fd00::1"],
        searches: ["a.example", "b.example"],
        options: ["ndots:5"],
      },
      linux: { sysctls: { "kernel.shm_rmid_forced": "1" } },
    },
  );
  assert.deepEqual(await node.exec(container, ["cat", "/etc/resolv.conf"]), {
    exit: 0,
    out: "nameserver 10.9.8.7\nnameserver fd00::1\nsearch a.example b.example\noptions ndots:5\n",
    err: "",
  });
  assert.equal((await node.exec(container, ["hostname"])).out, "chosen-name\n");
  assert.equal((await node.exec(container, ["cat", "/proc/sys/kernel/shm_rmid_forced"])).out, "1\n");
});

test("a host-network pod sees the node's interfaces and reports no address of its own", async () => {
  const linux = { security_context: { namespace_options: { network: "NODE" } } };
  const { pod, container } = await node.start({ linux }, { linux });
  const here = (await readFile("/proc/self/net/dev", "utf8")).match(/docker0/);
  assert.ok(here, "the test node has docker0");
  assert.match((await node.exec(container, ["cat", "/proc/net/dev"])).out, /docker0/);
  const status = await statusOf(pod);
  assert.equal(status.network.ip, "");
  assert.equal(status.linux.namespaces.options.network, "NODE");
});

test("stopping a pod kills its running containers, twice is no error, and removing takes all", async () => {
  const { pod, container } = await node.start({
    command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
  });
  await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
  assert.equal((await node.status(container)).state, "CONTAINER_EXITED");
  assert.equal((await statusOf(pod)).state, "SANDBOX_NOTREADY");
  await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: pod });
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: pod });
  const left = await ours();
  assert.ok(!left.includes(pod) && !left.includes(container));
});

test("a running pod can be removed without being stopped first", async () => {
  const { pod, container } = await node.start();
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: pod });
  const left = await ours();
  assert.ok(!left.includes(pod) && !left.includes(container));
});

test("a pod whose host port is taken fails and leaves nothing", async () => {
  const holder = createServer().listen(0, "0.0.0.0");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as { port: number };
  const before = await ours();
  try {
    const config = node.podConfig({ port_mappings: [{ container_port: 80, host_port: port }] });
    await assert.rejects(node.runPod(config), new RegExp(`${port}`));
    assert.deepEqual(await ours(), before);
  } finally {
    holder.close();
  }
});

test("a client that gives up while its pod is made leaves nothing of it", async () => {
  const before = await ours();
  const abort = new AbortController();
  const started = docker()
    .getEvents({ filters: { type: ["container"], event: ["create"] } })
    .then(async (events) => {
      await new Promise((resolve) => events.once("data", resolve));
      abort.abort();
      (events as unknown as { destroy(): void }).destroy();
    });
  await assert.rejects(node.runtime("RunPodSandbox", { config: node.podConfig() }, abort.signal), {
    code: 1,
  });
  await started;
  await eventually("the sandbox is gone again", async () => (await ours()).join() === before.join());
});

test("a sandbox that something outside stopped can be started again, with its DNS", async () => {
  const dns_config = { servers: ["10.1.1.1"], searches: [], options: [] };
  const config = node.podConfig({ dns_config });
  const pod = await node.runPod(config);
  await docker().getContainer(pod).kill();
  await eventually(
    "the sandbox is seen as not ready",
    async () => (await statusOf(pod)).state === "SANDBOX_NOTREADY",
  );
  await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
  const status = await statusOf(pod);
  assert.equal(status.state, "SANDBOX_READY");
  assert.match(status.network.ip, /^\d/);
  const container = await node.create(pod, config, {});
  await node.runtime("StartContainer", { container_id: container });
  assert.equal((await node.exec(container, ["cat", "/etc/resolv.conf"])).out, "nameserver 10.1.1.1\n");
});

test("starting a sandbox that runs changes nothing", async () => {
  const pod = await node.runPod(node.podConfig());
  const { network } = await statusOf(pod);
  await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
  assert.deepEqual((await statusOf(pod)).network, network);
});

test("an unknown runtime handler is refused with the known ones, and a known one is reported", async () => {
  await assert.rejects(node.runPod(node.podConfig(), "kata"), /"kata" is not known .* runc/);
  const { runtime_handlers } = await node.runtime("Status", {});
  const names = runtime_handlers.map(({ name }: { name: string }) => name);
  assert.ok(names.includes("") && names.includes("runc"), names.join());
});

test("a missing sandbox image is an error that names the flag and the script", async () => {
  const other = await startNode({ sandboxImage: "registry.k8s.io/no-such-pause:1" });
  try {
    await assert.rejects(
      other.runPod(other.podConfig()),
      /no-such-pause:1 .*--pod-infra-container-image.*scripts\/build-pause/,
    );
  } finally {
    await other.close();
  }
});

test("a dead leftover of the same name gives way, a running holder does not", async () => {
  const config = node.podConfig();
  const first = await node.runPod(config);
  await assert.rejects(node.runtime("RunPodSandbox", { config }), /is held by container/);
  assert.equal((await statusOf(first)).state, "SANDBOX_READY");
  await docker().getContainer(first).kill();
  const second = await node.runPod(config);
  assert.notEqual(second, first);
  assert.ok(!(await ours()).includes(first));
});

test("pods and containers that a predecessor made are listed, reported, stopped and removed", async (t) => {
  const logDirectory = await mkdtemp(join(tmpdir(), "predecessor-logs."));
  t.after(() => rm(logDirectory, { recursive: true }));
  const log = join(logDirectory, "app.log");
  const name = (part: string) => `k8s_${part}_old_default_uid-${process.pid}_3`;
  const labels = { "io.kubernetes.pod.name": "old", "annotation.kubernetes.io/config.source": "api" };
  const sandbox = await docker().createContainer({
    name: name("POD"),
    Image: "registry.k8s.io/pause:3.10",
    Labels: { ...labels, "io.kubernetes.docker.type": "podsandbox", "io.kubernetes.container.name": "POD" },
  });
  await sandbox.start();
  const app = await docker().createContainer({
    name: `${name("app")}_0a1b2c3d`,
    Image: "registry.k8s.io/e2e-test-images/busybox:1.29-2",
    Cmd: ["sleep", "1000"],
    Labels: {
      ...labels,
      "io.kubernetes.docker.type": "container",
      "io.kubernetes.container.name": "app",
      "io.kubernetes.sandbox.id": sandbox.id,
      "io.kubernetes.container.logpath": log,
    },
    HostConfig: { NetworkMode: `container:${sandbox.id}` },
  });
  await app.start();
  const pod = await eventually("the pod is listed", async () => {
    const { items } = await node.runtime("ListPodSandbox", { filter: { id: sandbox.id } });
    return items[0];
  });
  assert.deepEqual(
    { ...pod.metadata },
    { name: "old", namespace: "default", uid: `uid-${process.pid}`, attempt: 3 },
  );
  assert.equal(pod.labels["io.kubernetes.pod.name"], "old");
  assert.equal(pod.labels["io.kubernetes.container.name"], undefined);
  assert.deepEqual({ ...pod.annotations }, { "kubernetes.io/config.source": "api" });
  const { containers } = await node.runtime("ListContainers", { filter: { pod_sandbox_id: sandbox.id } });
  assert.deepEqual({ ...containers[0].metadata }, { name: "app", attempt: 3 });
  assert.equal(containers[0].labels["io.kubernetes.container.name"], "app");
  // The predecessor may still be at it, and does this after the start.
  await symlink((await app.inspect()).LogPath, log);
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: sandbox.id });
  const left = await ours();
  assert.ok(!left.includes(sandbox.id) && !left.includes(app.id));
  assert.deepEqual(await readdir(logDirectory), []);
});
