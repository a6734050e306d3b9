/** What a client sees when Docker, a registry, the network or the client itself gives up half-way. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { after, test } from "node:test";
import { status, type ServiceError } from "@grpc/grpc-js";
import type { Config } from "../../src/config.js";
import type { FakeEngine } from "../support/fake-engine.js";
import { refusal } from "../support/fake-refusal.js";
import {
  appImage,
  containerConfig,
  createContainer,
  podConfig,
  runContainer,
  runPod,
  sandboxImage,
  sharedServer,
  startServer,
  versions,
  type Method,
  type Rpc,
  type TestServer,
} from "../support/server.js";

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, [], "promises were rejected and nobody looked"));

const shared = await sharedServer();

const podName = "k8s_POD_web-0_shop_7c1e_0";
const dns_config = { servers: ["10.96.0.10"] };
const podType = { "io.kubernetes.docker.type": "podsandbox" };

const podIds = async (rpc: Rpc): Promise<string[]> => (await rpc("ListPodSandbox")).items.map(({ id }) => id);
const containerIds = async (rpc: Rpc): Promise<string[]> =>
  (await rpc("ListContainers")).containers.map(({ id }) => id);
const podState = async (rpc: Rpc, id: string) =>
  (await rpc("PodSandboxStatus", { pod_sandbox_id: id })).status?.state;

const codeOf = (error: ServiceError): status => error.code;

/**
 * Makes a call, and gives it up when it has come to `method`. Resolves when the server has done with it.
 * Frames of one connection arrive in order, so a call that is answered after a cancellation was answered by a
 * server that knows of it.
 */
async function leaveDuring(
  { engine, book }: TestServer,
  method: Parameters<FakeEngine["hold"]>[0],
  rpc: Rpc,
  ...[name, request]: [Method, object]
): Promise<void> {
  // Of inspects there may be others, by the server's own view.
  const held = engine.hold(method, 100);
  const call = rpc.start(name, request);
  const cancelled = assert.rejects(call.reply, { code: status.CANCELLED });
  await held.reached;
  call.cancel();
  await cancelled;
  for (let frames = 0; frames < 2; frames++) await rpc("ImageStatus", { image: { image: appImage } });
  const done = book.next(name);
  held.release();
  assert.equal((await done).fields["code"], "CANCELLED");
}

async function assertNothingLeft(engine: FakeEngine, rpc: Rpc): Promise<void> {
  assert.deepEqual(engine.containers.names, []);
  assert.deepEqual(await podIds(rpc), []);
  assert.equal(await podState(rpc, await runPod(rpc)), "SANDBOX_READY", "the next try succeeds");
}

const failingSteps = [
  { step: "creating the sandbox", method: "createContainer" },
  { step: "starting it", method: "startContainer" },
  { step: "looking where its DNS file is", method: "inspectContainer" },
] as const;
for (const { step, method } of failingSteps) {
  test(`a pod of which ${step} fails is refused in Docker's words and leaves nothing`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    // Of inspects there may be others, by the server's own view.
    engine.fail(method, refusal(500, "no space left on device"), 100);
    await assert.rejects(runPod(rpc, { dns_config }), {
      code: status.INTERNAL,
      details: /no space left on device/,
    });
    engine.recover(method);
    await assertNothingLeft(engine, rpc);
  });
}

test("a pod whose DNS cannot be written leaves nothing", async (t) => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const start = engine.startContainer;
  const replaced = t.mock.method(engine, "startContainer", async (id: string) => {
    await start(id);
    await rm(engine.containers.folderOf(id), { recursive: true });
  });
  await assert.rejects(runPod(rpc, { dns_config }), { code: status.INTERNAL, details: /resolv\.conf/ });
  replaced.mock.restore();
  await assertNothingLeft(engine, rpc);
});

test("a pod that cannot be undone is still refused for its first reason", async () => {
  const { engine, book, rpc: connect } = shared.fresh();
  engine.fail("startContainer", refusal(500, "port is already allocated"));
  engine.fail("removeContainer", refusal(500, "device busy"));
  await assert.rejects(runPod(connect("v1")), { details: /port is already allocated/ });
  const undo = book.lines.find(({ event }) => event === "undo failed");
  assert.match(String(undo?.fields["error"]), /device busy/);
});

for (const method of ["createContainer", "startContainer", "inspectContainer"] as const) {
  test(`a pod whose client leaves before ${method} is done leaves nothing`, async () => {
    const server = shared.fresh();
    const rpc = server.rpc("v1");
    await leaveDuring(server, method, rpc, "RunPodSandbox", { config: podConfig({ dns_config }) });
    await assertNothingLeft(server.engine, rpc);
  });
}

test("a pod whose client leaves while the sandbox image is pulled leaves nothing, and the pull ends", async () => {
  const { engine, book, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  engine.images.remove(sandboxImage, { force: true }, [], () => assert.fail());
  engine.images.publish(sandboxImage, { hangs: true });
  const begun = engine.images.nextPull();
  const run = rpc.start("RunPodSandbox", { config: podConfig() });
  const { signal } = await begun;
  const [aborted, done] = [once(signal, "abort"), book.next("RunPodSandbox")];
  run.cancel();
  await assert.rejects(run.reply, { code: status.CANCELLED });
  await aborted;
  assert.equal((await done).fields["code"], "CANCELLED");
  engine.images.add(sandboxImage);
  await assertNothingLeft(engine, rpc);
});

test("a pod without a sandbox image to be had is told of the flag and of the script", async () => {
  const { engine, rpc } = shared.fresh();
  engine.images.remove(sandboxImage, { force: true }, [], () => assert.fail());
  await assert.rejects(runPod(rpc("v1")), {
    code: status.FAILED_PRECONDITION,
    details: /pause:3\.10.*denied.*--pod-infra-container-image.*scripts\/build-pause/,
  });
});

test("a pod without a CNI network to be attached to is refused before anything is made, and host network runs", async (t) => {
  const { engine, config, rpc: connect } = await startServer(t, { networkPlugin: "cni" });
  const rpc = connect("v1");
  await assert.rejects(runPod(rpc), {
    code: status.FAILED_PRECONDITION,
    details: new RegExp(`no CNI configuration.*${config.cni.confDirectory}`),
  });
  assert.deepEqual(engine.containers.names, []);
  await runPod(rpc, { linux: { security_context: { namespace_options: { network: "NODE" } } } });
});

test("a container that Docker does not create leaves the pod as it was", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const pod = await runPod(rpc);
  engine.fail("createContainer", refusal(400, "invalid CapAdd"));
  await assert.rejects(createContainer(rpc, pod), {
    code: status.INVALID_ARGUMENT,
    details: /invalid CapAdd/,
  });
  assert.deepEqual([engine.containers.names, await containerIds(rpc)], [[podName], []]);
});

test("a container whose client leaves while it is created leaves nothing", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const pod_sandbox_id = await runPod(rpc);
  await rpc("PullImage", { image: { image: appImage } });
  const request = { pod_sandbox_id, config: containerConfig(), sandbox_config: podConfig() };
  await leaveDuring(server, "createContainer", rpc, "CreateContainer", request);
  assert.deepEqual([await containerIds(rpc), server.engine.containers.names], [[], [podName]]);
});

test("a command whose client leaves is not listened to any more", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const container_id = await runContainer(rpc, await runPod(rpc));
  engine.execs.scripts.set("sleep inf", { hangs: true });
  const started = engine.hold("startExec");
  const exec = rpc.start("ExecSync", { container_id, cmd: ["sleep", "inf"] });
  const cancelled = assert.rejects(exec.reply, { code: status.CANCELLED });
  await started.reached;
  started.release();
  await rpc("Status");
  const [stream] = engine.execs.processes;
  assert.ok(stream, "the command was started");
  const closed = once(stream, "close");
  exec.cancel();
  await Promise.all([cancelled, closed]);
});

/** The pod's name, held by something that is there already. */
function holdName(engine: FakeEngine, labels: Record<string, string>, running: boolean): string {
  const { id } = engine.containers.create({ name: podName, Image: sandboxImage, Labels: labels });
  if (running) engine.containers.start(id);
  return id;
}

test("a dead leftover of the same name makes way for the new pod", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const leftover = holdName(engine, podType, false);
  const pod = await runPod(rpc);
  assert.notEqual(pod, leftover);
  assert.deepEqual([engine.containers.names, await podIds(rpc)], [[podName], [pod]]);
});

test("a running pod of the same name is left alone, and the new one refused", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const first = await runPod(rpc);
  await assert.rejects(runPod(rpc), { code: status.ALREADY_EXISTS, details: new RegExp(first) });
  assert.equal(await podState(rpc, first), "SANDBOX_READY");
  assert.deepEqual(engine.containers.names, [podName]);
});

test("somebody else's container of the same name is left alone, dead or not", async () => {
  for (const running of [false, true]) {
    const { engine, rpc } = shared.fresh();
    const holder = holdName(engine, { owner: "somebody" }, running);
    await assert.rejects(runPod(rpc("v1")), { code: status.ALREADY_EXISTS, details: new RegExp(holder) });
    assert.equal(engine.containers.inspect(holder).State.Running, running);
  }
});

test("a leftover that cannot be removed is the error that the client gets", async () => {
  const { engine, rpc } = shared.fresh();
  holdName(engine, podType, false);
  engine.fail("removeContainer", refusal(500, "driver failed to remove root filesystem"));
  await assert.rejects(runPod(rpc("v1")), { code: status.INTERNAL, details: /failed to remove root/ });
});

test("a name that Docker holds for nothing gets a seventh part, and the pod is reported as ever", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  engine.containers.ghosts.add(podName);
  const pod_sandbox_id = await runPod(rpc);
  assert.match(engine.containers.names[0] ?? "", new RegExp(`^${podName}_[0-9a-f]{8}$`));
  const { metadata } = podConfig();
  assert.deepEqual((await rpc("PodSandboxStatus", { pod_sandbox_id })).status?.metadata, metadata);
});

test("a container's name follows the same rules as a pod's", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const pod = await runPod(rpc);
  const dead = await createContainer(rpc, pod);
  const running = await runContainer(rpc, pod);
  assert.deepEqual(await containerIds(rpc), [running]);
  assert.notEqual(running, dead);
  await assert.rejects(createContainer(rpc, pod), { code: status.ALREADY_EXISTS });
  engine.containers.ghosts.add("k8s_more_web-0_shop_7c1e_0");
  const ghost = await createContainer(rpc, pod, { metadata: { name: "more" } });
  assert.equal((await rpc("ContainerStatus", { container_id: ghost })).status?.metadata?.name, "more");
});

test("a second request for a pod that is being made is refused, and the first succeeds", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const held = engine.hold("startContainer");
  const first = runPod(rpc);
  await held.reached;
  await assert.rejects(runPod(rpc), { code: status.ALREADY_EXISTS, details: /another request/ });
  held.release();
  assert.equal(await podState(rpc, await first), "SANDBOX_READY");
});

for (const [method, held, paused] of [
  ["PauseContainer", "pauseContainer", true],
  ["UnpauseContainer", "unpauseContainer", false],
] as const) {
  test(`${method} succeeds for both of two clients that call it at once`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    const container_id = await runContainer(rpc, await runPod(rpc));
    if (!paused) await rpc("PauseContainer", { container_id });
    const first = engine.hold(held);
    const slower = rpc(method, { container_id });
    await first.reached;
    const second = engine.hold(held);
    const faster = rpc(method, { container_id });
    await second.reached;
    second.release();
    await faster;
    first.release();
    await slower;
    assert.equal((await engine.inspectContainer(container_id)).State.Paused, paused);
  });
}

const whileDown: [Method, object][] = [
  ["Version", {}],
  ["RunPodSandbox", { config: podConfig() }],
  ["StartPodSandbox", { pod_sandbox_id: "a" }],
  ["StopPodSandbox", { pod_sandbox_id: "a" }],
  ["RemovePodSandbox", { pod_sandbox_id: "a" }],
  ["PodSandboxStatus", { pod_sandbox_id: "a" }],
  ["ListPodSandbox", {}],
  ["CreateContainer", { pod_sandbox_id: "a", config: containerConfig(), sandbox_config: podConfig() }],
  ["StartContainer", { container_id: "c" }],
  ["StopContainer", { container_id: "c" }],
  ["RemoveContainer", { container_id: "c" }],
  ["PauseContainer", { container_id: "c" }],
  ["UnpauseContainer", { container_id: "c" }],
  ["ListContainers", {}],
  ["ContainerStatus", { container_id: "c" }],
  ["ExecSync", { container_id: "c", cmd: ["date"] }],
  ["ListImages", {}],
  ["ImageStatus", { image: { image: appImage } }],
  ["PullImage", { image: { image: appImage } }],
  ["RemoveImage", { image: { image: appImage } }],
  ["ImageFsInfo", {}],
];

for (const version of versions) {
  for (const [method, request] of whileDown) {
    test(`${version}: ${method} is UNAVAILABLE while Docker is down, and nothing has changed when it is back`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      engine.containers.ids.push("a".padEnd(64, "0"), "c".padEnd(64, "0"));
      const pod = await runPod(rpc);
      const container = await runContainer(rpc, pod);
      engine.down();
      const refused = { code: status.UNAVAILABLE, details: /cannot reach the Docker Engine/ };
      await assert.rejects(rpc(method, request), refused);
      await assert.rejects(rpc(method, request), refused, "the second time as well");
      engine.up();
      assert.equal(await podState(rpc, pod), "SANDBOX_READY");
      assert.deepEqual(await containerIds(rpc), [container]);
    });
  }

  test(`${version}: Status answers while Docker is down: the runtime is not ready, then it is again`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    const conditions = async () => (await rpc("Status", { verbose: true })).status?.conditions;
    engine.down();
    const [runtime, network] = (await conditions()) ?? [];
    assert.deepEqual([runtime?.type, runtime?.status], ["RuntimeReady", false]);
    assert.match(`${runtime?.reason} ${runtime?.message}`, /DockerNotReachable.*cannot reach/);
    assert.deepEqual([network?.type, network?.status], ["NetworkReady", false]);
    engine.up();
    assert.equal((await conditions())?.[0]?.status, true);
  });
}

test("many reads at once while Docker is down are all refused, and all answered when it is back", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const pod = await runPod(rpc);
  const readMany = () => Promise.all(Array.from({ length: 40 }, () => podIds(rpc).catch(codeOf)));
  engine.down();
  assert.deepEqual(new Set(await readMany()), new Set([status.UNAVAILABLE]));
  engine.up();
  assert.deepEqual(
    (await readMany()).flat(),
    Array.from({ length: 40 }, () => pod),
  );
});

test("a server that is started before Docker serves, says so, and finds everything when Docker comes", async (t) => {
  const { engine, rpc: connect } = await startServer(t, {}, (engine) => {
    holdName(engine, podType, true);
    engine.down();
  });
  const rpc = connect("v1");
  assert.equal((await rpc("Status")).status?.conditions[0]?.status, false);
  await assert.rejects(podIds(rpc), { code: status.UNAVAILABLE });
  engine.up();
  assert.equal((await podIds(rpc)).length, 1);
});

test("what happened while Docker was away is seen when it is back", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const stopped = await runPod(rpc);
  const removed = await runPod(rpc, { metadata: { name: "removed", uid: "u", namespace: "n" } });
  engine.down();
  engine.containers.exit(stopped, 137);
  engine.containers.remove(removed, { force: true });
  engine.up();
  assert.deepEqual([await podIds(rpc), await podState(rpc, stopped)], [[stopped], "SANDBOX_NOTREADY"]);
});

const interrupted: { title: string; method: Method; held: Parameters<FakeEngine["hold"]>[0] }[] = [
  { title: "a stop", method: "StopContainer", held: "stopContainer" },
  { title: "a removal", method: "RemoveContainer", held: "removeContainer" },
  { title: "a start", method: "StartContainer", held: "startContainer" },
  { title: "a pause", method: "PauseContainer", held: "pauseContainer" },
];
for (const { title, method, held } of interrupted) {
  test(`${title} during which Docker dies is UNAVAILABLE, and works when it is tried again`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    const container_id = await runContainer(rpc, await runPod(rpc));
    const hold = engine.hold(held);
    const call = rpc(method, { container_id });
    await hold.reached;
    engine.down();
    hold.release();
    await assert.rejects(call, { code: status.UNAVAILABLE });
    engine.up();
    await rpc(method, { container_id });
  });
}

test("a command during which Docker dies is UNAVAILABLE", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const container_id = await runContainer(rpc, await runPod(rpc));
  engine.execs.scripts.set("sleep inf", { stdout: "so far", hangs: true });
  const started = engine.hold("startExec");
  const exec = assert.rejects(rpc("ExecSync", { container_id, cmd: ["sleep", "inf"] }), {
    code: status.UNAVAILABLE,
  });
  await started.reached;
  started.release();
  await rpc("Status");
  engine.down();
  await exec;
});

test("a pod during whose start Docker dies is UNAVAILABLE, and its next try takes the leftover's place", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const held = engine.hold("startContainer");
  const run = runPod(rpc);
  await held.reached;
  engine.down();
  held.release();
  await assert.rejects(run, { code: status.UNAVAILABLE });
  engine.up();
  const pod = await runPod(rpc);
  assert.deepEqual([engine.containers.names, await podIds(rpc)], [[podName], [pod]]);
});

test("a paused container that something else thaws while it is stopped is stopped all the same", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const container_id = await runContainer(rpc, await runPod(rpc));
  await rpc("PauseContainer", { container_id });
  const thawing = engine.hold("unpauseContainer");
  const stop = rpc("StopContainer", { container_id, timeout: 1 });
  await thawing.reached;
  engine.containers.unpause(container_id);
  thawing.release();
  await stop;
  assert.equal(engine.containers.inspect(container_id).State.Status, "exited");
});

test("what others do to pods and containers is seen without delay", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const pod = await runPod(rpc);
  const container = await runContainer(rpc, pod);
  const state = async () => (await rpc("ContainerStatus", { container_id: container })).status?.state;
  assert.equal(await state(), "CONTAINER_RUNNING");

  engine.containers.stop(container, 0);
  assert.equal(await state(), "CONTAINER_EXITED");
  engine.containers.start(container);
  assert.equal(await state(), "CONTAINER_RUNNING");
  engine.containers.remove(container, { force: true });
  assert.deepEqual(await containerIds(rpc), []);
  engine.containers.stop(pod, 10);
  assert.equal(await podState(rpc, pod), "SANDBOX_NOTREADY");
  engine.containers.remove(pod, { force: false });
  assert.deepEqual(await podIds(rpc), []);
});

test("pods that another shim has made are seen, and containers that are no pod's are not", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  assert.deepEqual(await podIds(rpc), []);
  const Image = sandboxImage;
  engine.containers.create({ name: "somebodys", Image });
  const { id } = engine.containers.create({ name: podName, Image, Labels: podType });
  engine.containers.create({
    name: "k8s_app_web-0_shop_7c1e_4",
    Image,
    Labels: { "io.kubernetes.docker.type": "container", "io.kubernetes.sandbox.id": id },
  });
  assert.deepEqual(await podIds(rpc), [id]);
  const [container] = (await rpc("ListContainers")).containers;
  assert.deepEqual([container?.metadata, container?.pod_sandbox_id], [{ name: "app", attempt: 4 }, id]);
  await rpc("RemovePodSandbox", { pod_sandbox_id: id });
  assert.deepEqual(engine.containers.names, ["somebodys"]);
});

const registryAnswers = [
  {
    title: "an image that is nowhere",
    error: undefined,
    code: status.NOT_FOUND,
    words: /pull access denied for nowhere\/app.*docker login/,
  },
  {
    title: "a registry that refuses the credentials",
    error: refusal(401, "unauthorized: incorrect username or password"),
    code: status.PERMISSION_DENIED,
    words: /unauthorized: incorrect username or password/,
  },
  {
    title: "a registry that cannot be reached",
    error: refusal(500, 'Get "https://nowhere/v2/": dial tcp 192.0.2.1:443: connect: connection refused'),
    code: status.INTERNAL,
    words: /dial tcp 192\.0\.2\.1:443: connect: connection refused/,
  },
  {
    title: "a pull that breaks in the middle",
    error: refusal(500, "filesystem layer verification failed for digest sha256:0"),
    code: status.INTERNAL,
    words: /layer verification failed/,
  },
];
for (const { title, error, code, words } of registryAnswers) {
  test(`PullImage tells of ${title} in the registry's own words`, async () => {
    const { engine, rpc } = shared.fresh();
    const image = "nowhere/app:1";
    if (error) engine.images.publish(image, { error });
    await assert.rejects(rpc("v1")("PullImage", { image: { image } }), { code, details: words });
    assert.equal((await rpc("v1")("ImageStatus", { image: { image } })).image, null);
  });
}

for (const version of versions) {
  test(`${version}: PullImage that the client gives up is given up by Docker too`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect(version);
    engine.images.publish("big:1", { hangs: true });
    const begun = engine.images.nextPull();
    const pull = rpc.start("PullImage", { image: { image: "big:1" } });
    const { signal } = await begun;
    assert.equal(signal.aborted, false);
    const aborted = once(signal, "abort");
    pull.cancel();
    await assert.rejects(pull.reply, { code: status.CANCELLED });
    await aborted;
    assert.equal((await rpc("ImageStatus", { image: { image: "big:1" } })).image, null);
  });
}

test("PullImage during which Docker dies is UNAVAILABLE", async () => {
  const { engine, rpc } = shared.fresh();
  engine.images.publish("big:1", { hangs: true });
  const begun = engine.images.nextPull();
  const pull = assert.rejects(rpc("v1")("PullImage", { image: { image: "big:1" } }), {
    code: status.UNAVAILABLE,
  });
  await begun;
  engine.down();
  await pull;
});

test("PullImage without progress is given up, and the flag that says when is named", async (t) => {
  const deadline: Partial<Config> = { imagePullProgressDeadline: 20 };
  const { engine, rpc } = await startServer(t, deadline);
  engine.images.publish("stuck:1", { hangs: true });
  await assert.rejects(rpc("v1")("PullImage", { image: { image: "stuck:1" } }), {
    code: status.DEADLINE_EXCEEDED,
    details: /stuck:1 made no progress for 0\.02 s \(--image-pull-progress-deadline\)/,
  });
  assert.equal(engine.images.pulls[0]?.signal.aborted, true);
});
