/** GetContainerEvents, as a kubelet listens to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import {
  createContainer,
  runContainer,
  runPod,
  sharedServer,
  startServer,
  type Rpc,
  type Streamed,
  type TestServer,
} from "../support/server.js";

const shared = await sharedServer();

interface Event {
  container_id: string;
  container_event_type: string;
  created_at: string;
  pod_sandbox_status: { id: string; state: string; metadata: { name: string } } | null;
  containers_statuses: { id: string; state: string; exit_code: number }[];
}

/** A subscription that is there: the server says so with its headers only, so something is made to happen. */
async function listen(rpc: Rpc, { engine }: TestServer) {
  const stream = rpc.stream("GetContainerEvents") as unknown as Streamed<Event>;
  stream.on("error", () => undefined);
  const events = stream[Symbol.asyncIterator]();
  const next = async (): Promise<Event> => (await events.next()).value as Event;
  const first = next();
  let heard = false;
  void first.then(() => (heard = true)).catch(() => undefined);
  const probe = { metadata: { name: "probe", uid: "p", namespace: "probe", attempt: 0 } };
  const seen: string[] = [];
  while (!heard) {
    const pod = await runPod(rpc, probe);
    seen.push(pod);
    await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
  }
  const last = seen.at(-1);
  for (let event = await first; ; event = await next()) {
    if (event.container_id === last && event.container_event_type === "CONTAINER_DELETED_EVENT") break;
  }
  assert.ok(!engine.containers.names.includes("k8s_POD_probe_probe_p_0"));
  return { next, cancel: () => stream.cancel() };
}

const short = ({ container_id, container_event_type }: Event): [string, string] => [
  container_id,
  container_event_type.replace(/^CONTAINER_|_EVENT$/g, ""),
];

test("a pod's life is told with the pod as it is at each step", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const { next, cancel } = await listen(rpc, server);
  const pod = await runPod(rpc);
  assert.deepEqual(short(await next()), [pod, "CREATED"]);
  const started = await next();
  assert.deepEqual(short(started), [pod, "STARTED"]);
  assert.equal(started.pod_sandbox_status?.state, "SANDBOX_READY");
  assert.equal(started.pod_sandbox_status.metadata.name, "web-0");

  const container = await createContainer(rpc, pod);
  const created = await next();
  assert.deepEqual(short(created), [container, "CREATED"]);
  assert.deepEqual(
    created.containers_statuses.map(({ id, state }) => [id, state]),
    [[container, "CONTAINER_CREATED"]],
  );
  await rpc("StartContainer", { container_id: container });
  const running = await next();
  assert.deepEqual(short(running), [container, "STARTED"]);
  assert.equal(running.containers_statuses[0]?.state, "CONTAINER_RUNNING");
  assert.notEqual(running.created_at, "0");

  server.engine.containers.exit(container, 3);
  const ended = await next();
  assert.deepEqual(short(ended), [container, "STOPPED"]);
  assert.deepEqual(
    ended.containers_statuses.map(({ state, exit_code }) => [state, exit_code]),
    [["CONTAINER_EXITED", 3]],
  );
  const { status: later } = await rpc("ContainerStatus", { container_id: container });
  assert.equal(ended.created_at, later?.finished_at);

  await rpc("RemoveContainer", { container_id: container });
  const removed = await next();
  assert.deepEqual(short(removed), [container, "DELETED"]);
  assert.deepEqual(removed.containers_statuses, []);
  assert.equal(removed.pod_sandbox_status?.id, pod);

  await rpc("StopPodSandbox", { pod_sandbox_id: pod });
  const stopped = await next();
  assert.deepEqual(short(stopped), [pod, "STOPPED"]);
  assert.equal(stopped.pod_sandbox_status?.state, "SANDBOX_NOTREADY");
  await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
  const gone = await next();
  assert.deepEqual(short(gone), [pod, "DELETED"]);
  assert.equal(gone.pod_sandbox_status?.state, "SANDBOX_NOTREADY");
  cancel();
});

test("every subscriber hears the same", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const one = await listen(rpc, server);
  const other = await listen(rpc, server);
  // The first one has heard the second one's beginning as well.
  const pod = await runPod(rpc);
  const heard: [string, string][] = [];
  while (heard.at(-1)?.[0] !== pod) heard.push(short(await one.next()));
  assert.deepEqual(short(await other.next()), heard.at(-1));
  assert.deepEqual(await other.next(), await one.next());
  one.cancel();
  other.cancel();
});

test("what happens while Docker is away is told when it is back, and nothing twice", async () => {
  const server = shared.fresh();
  const { engine } = server;
  const rpc = server.rpc("v1");
  const pod = await runPod(rpc);
  const container = await runContainer(rpc, pod);
  const { next, cancel } = await listen(rpc, server);
  engine.down();
  await assert.rejects(rpc("ListContainers"), { code: status.UNAVAILABLE });
  engine.containers.exit(container, 1);
  engine.up();
  assert.deepEqual(short(await next()), [container, "STOPPED"]);
  await rpc("RemovePodSandbox", { pod_sandbox_id: pod });
  const rest: [string, string][] = [];
  while (rest.length < 3) rest.push(short(await next()));
  assert.deepEqual(
    rest.sort(),
    [
      [container, "DELETED"],
      [pod, "DELETED"],
      [pod, "STOPPED"],
    ].sort(),
  );
  cancel();
});

test("a server that stops ends the streams at once, and says why", async (t) => {
  const server = await startServer(t);
  const rpc = server.rpc("v1");
  const { next } = await listen(rpc, server);
  const refused = assert.rejects(next(), { code: status.UNAVAILABLE, details: /server is stopping/ });
  await server.app.close();
  await refused;
});

test("while Docker is away a subscription is refused, so that the client does not wait for nothing", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  engine.down();
  const events = rpc.stream("GetContainerEvents")[Symbol.asyncIterator]();
  await assert.rejects(events.next(), { code: status.UNAVAILABLE });
  engine.up();
});
