import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { busybox, docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const ended = (container: string) =>
  eventually("the container has ended", async () => {
    const status = await node.status(container);
    return status.state === "CONTAINER_EXITED" && status;
  });

test("a container goes from created to running to exited, with times in order", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const id = await node.create(pod, config, { command: ["true"] });
  const created = await node.status(id);
  assert.equal(created.state, "CONTAINER_CREATED");
  assert.equal(created.started_at, "0");
  await node.runtime("StartContainer", { container_id: id });
  const status = await ended(id);
  assert.equal(status.exit_code, 0);
  assert.equal(status.reason, "Completed");
  assert.ok(BigInt(status.created_at) < BigInt(status.started_at));
  assert.ok(BigInt(status.started_at) <= BigInt(status.finished_at));
});

const endings = [
  { title: "an exit code", fields: { command: ["sh", "-c", "exit 7"] }, exit_code: 7, reason: "Error" },
  {
    title: "a signal",
    fields: { command: ["sh", "-c", "kill -9 $$"] },
    exit_code: 137,
    reason: "Error",
  },
];
for (const { title, fields, exit_code, reason } of endings) {
  test(`a container that ended by ${title} says ${reason} ${exit_code}`, async () => {
    const { container } = await node.start(fields);
    const status = await ended(container);
    assert.equal(status.reason, reason);
    assert.equal(status.exit_code, exit_code);
  });
}

test("a container that ended by too much memory says OOMKilled 137", async () => {
  // It eats only when told: an end within milliseconds of the start can escape Docker's notice.
  const { container } = await node.start({
    command: ["sh", "-c", "until [ -e /go ]; do sleep 0.05; done; x=0123456789; while :; do x=$x$x; done"],
    linux: { resources: { memory_limit_in_bytes: "20971520" } },
  });
  await node.exec(container, ["touch", "/go"]);
  const status = await ended(container);
  assert.equal(status.exit_code, 137);
  assert.equal(status.reason, "OOMKilled");
});

test("a command that does not exist is an error at start, and ContainerCannotRun afterwards", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const id = await node.create(pod, config, { command: ["/no/such/program"] });
  await assert.rejects(node.runtime("StartContainer", { container_id: id }), /no\/such\/program/);
  const status = await node.status(id);
  assert.equal(status.state, "CONTAINER_EXITED");
  assert.equal(status.reason, "ContainerCannotRun");
  assert.notEqual(status.exit_code, 0);
  assert.match(status.message, /no\/such\/program/);
});

test("stopping waits for the stop signal's work, and kills when the grace is over", async () => {
  const polite = await node.start({
    command: ["sh", "-c", "trap 'exit 42' USR1; while :; do sleep 0.1; done"],
    stop_signal: "SIGNAL_SIGUSR1",
  });
  assert.equal((await node.status(polite.container)).stop_signal, "SIGNAL_SIGUSR1");
  await node.runtime("StopContainer", { container_id: polite.container, timeout: "20" });
  assert.equal((await node.status(polite.container)).exit_code, 42);

  const deaf = await node.start({ command: ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"] });
  await node.runtime("StopContainer", { container_id: deaf.container, timeout: "1" });
  assert.equal((await node.status(deaf.container)).exit_code, 137);
});

test("a stop without grace kills at once what would not listen", async () => {
  const { container } = await node.start({
    command: ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
  });
  await node.runtime("StopContainer", { container_id: container, timeout: "0" });
  assert.equal((await node.status(container)).exit_code, 137);
});

test("a paused container is frozen, counts as running, and can be thawed, stopped and removed", async () => {
  const { pod, container } = await node.start({
    command: ["sh", "-c", "while :; do i=$((i+1)); echo $i > /tmp/tick; sleep 0.02; done"],
  });
  const tick = async () => (await node.exec(container, ["cat", "/tmp/tick"])).out;
  await node.runtime("PauseContainer", { container_id: container });
  assert.equal((await docker().getContainer(container).inspect()).State.Paused, true);
  assert.equal((await node.status(container)).state, "CONTAINER_RUNNING");
  await node.runtime("PauseContainer", { container_id: container });
  await node.runtime("UnpauseContainer", { container_id: container });
  await node.runtime("UnpauseContainer", { container_id: container });
  const first = await tick();
  await eventually("it ticks again", async () => (await tick()) !== first);

  await node.runtime("PauseContainer", { container_id: container });
  await node.runtime("StopContainer", { container_id: container, timeout: "1" });
  assert.equal((await node.status(container)).state, "CONTAINER_EXITED");
  await assert.rejects(node.runtime("PauseContainer", { container_id: container }), { code: 9 });

  const other = await node.start();
  await node.runtime("PauseContainer", { container_id: other.container });
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: other.pod });
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: pod });
});

test("its log is found at log_directory/log_path while it exists", async () => {
  const { container } = await node.start({
    command: ["sh", "-c", "echo out; echo err >&2"],
    log_path: "sub/c.log",
  });
  await ended(container);
  const path = join(node.directory, "logs", "sub", "c.log");
  assert.equal((await node.status(container)).log_path, path);
  const lines = (await readFile(path, "utf8")).trim().split("\n");
  assert.deepEqual(lines.map((line) => line.replace(/^\S+Z /, "")).sort(), ["stderr F err", "stdout F out"]);
  await node.runtime("RemoveContainer", { container_id: container });
  await assert.rejects(access(path), { code: "ENOENT" });
});

test("what another client of Docker does is seen", async () => {
  const { container } = await node.start();
  await docker().getContainer(container).stop({ t: 0 });
  assert.equal((await ended(container)).exit_code, 143);
  await docker().getContainer(container).remove();
  await eventually("it is no longer listed", async () => {
    const { containers } = await node.runtime("ListContainers", { filter: { id: container } });
    return containers.length === 0;
  });
  await assert.rejects(node.runtime("ContainerStatus", { container_id: container }), { code: 5 });
});

test("command, args, environment, working directory and user are the container's", async () => {
  const { container } = await node.start({
    command: ["sh", "-c"],
    args: ["sleep 1000"],
    envs: [{ key: "GREETING", value: Buffer.from("hällo = world") }],
    working_dir: "/tmp",
    linux: { security_context: { run_as_user: { value: "1234" }, run_as_group: { value: "2345" } } },
  });
  const script = 'echo "$GREETING"; pwd; id -u; id -g';
  assert.equal((await node.exec(container, ["sh", "-c", script])).out, "hällo = world\n/tmp\n1234\n2345\n");
});

test("mounts show the host's files, read-only where asked, and are reported back", async () => {
  const source = join(node.directory, "made-by-the-server");
  const { container } = await node.start({
    mounts: [
      { host_path: source, container_path: "/data" },
      { host_path: "/etc", container_path: "/host-etc", readonly: true, propagation: "PROPAGATION_PRIVATE" },
    ],
  });
  await access(source);
  assert.equal((await node.exec(container, ["sh", "-c", "echo hi > /data/file"])).exit, 0);
  assert.equal(await readFile(join(source, "file"), "utf8"), "hi\n");
  assert.notEqual((await node.exec(container, ["touch", "/host-etc/x"])).exit, 0);
  const { mounts } = await node.status(container);
  const found = mounts
    .map((m: Record<string, unknown>) => [m["container_path"], m["host_path"], m["readonly"]])
    .sort();
  assert.deepEqual(found, [
    ["/data", source, false],
    ["/host-etc", "/etc", true],
  ]);
});

test("containers of one pod share its network and processes, unless told otherwise", async () => {
  const { pod, container, config } = await node.start();
  const alone = await node.create(pod, config, {
    linux: { security_context: { namespace_options: { pid: "CONTAINER" } } },
  });
  await node.runtime("StartContainer", { container_id: alone });
  const namespace = async (id: string, kind: string) =>
    (await node.exec(id, ["readlink", `/proc/self/ns/${kind}`])).out;
  assert.equal(await namespace(container, "net"), await namespace(alone, "net"));
  assert.notEqual(await namespace(container, "pid"), await namespace(alone, "pid"));
  assert.match((await node.exec(container, ["sh", "-c", "cat /proc/1/cmdline"])).out, /pause/);
});

test("cgroup limits are what was asked for, under the pod's cgroup parent", async () => {
  const { container } = await node.start(
    {
      linux: {
        resources: {
          cpu_shares: "512",
          cpu_quota: "20000",
          cpu_period: "100000",
          memory_limit_in_bytes: "67108864",
        },
      },
    },
    { linux: { cgroup_parent: "/dockershim-test-parent/pod1" } },
  );
  const { Pid } = (await docker().getContainer(container).inspect()).State;
  assert.match(await readFile(`/proc/${Pid}/cgroup`, "utf8"), /dockershim-test-parent\/pod1/);
  const { resources } = await node.status(container);
  assert.equal(resources.linux.memory_limit_in_bytes, "67108864");
  assert.equal(resources.linux.cpu_shares, "512");
  assert.equal(resources.linux.cpu_quota, "20000");
});

test("an unknown image is NOT_FOUND and leaves no container", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  await assert.rejects(node.create(pod, config, { image: { image: "no/such:image" } }), { code: 5 });
  const { containers } = await node.runtime("ListContainers", { filter: { pod_sandbox_id: pod } });
  assert.equal(containers.length, 0);
});

test("labels are the client's alone, whatever labels the image has", async () => {
  const { Config } = await docker().getImage(busybox).inspect();
  const [inherited = ""] = Object.keys(Config.Labels);
  assert.notEqual(inherited, "", "the test image has a label");
  const plain = await node.start({ labels: { mine: "1" } });
  assert.deepEqual({ ...(await node.status(plain.container)).labels }, { mine: "1" });
  const same = await node.start({ labels: { [inherited]: Config.Labels[inherited] } });
  assert.deepEqual(
    { ...(await node.status(same.container)).labels },
    { [inherited]: Config.Labels[inherited] },
  );
});
