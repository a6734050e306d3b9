/** /metrics, /healthz and /readyz of a whole server. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startApp } from "../../src/app.js";
import { CriError } from "../../src/errors.js";
import { serverConfig } from "../support/builders.js";
import { openCommand } from "../support/command-session.js";
import { eventually } from "../support/eventually.js";
import { FakeEngine } from "../support/fake-engine.js";
import { addressOf, anyPort, ask, scrape } from "../support/monitoring.js";
import { LogBook, runContainer, runPod, startServer } from "../support/server.js";

// One server for all: a counter of the one test is not to be the other's.
const server = await startServer({ after }, { metrics: anyPort });
const { engine, book } = server;
const rpc = server.rpc("v1");
const address = addressOf(server);

const rpcCount = (method: string, version: string, code: string): string =>
  `dockershim_rpc_duration_seconds_count{method="${method}",api_version="${version}",code="${code}"}`;
const dockerCount = (operation: string, result: string): string =>
  `dockershim_docker_call_duration_seconds_count{operation="${operation}",result="${result}"}`;

test("calls are counted by method, interface version and gRPC code", async () => {
  await rpc("Version");
  await rpc("Version");
  await server.rpc("v1alpha2")("Version");
  await assert.rejects(rpc("ContainerStatus", { container_id: "none" }));
  await assert.rejects(rpc("ContainerStatus"));
  const samples = await scrape(address);
  assert.equal(samples.get(rpcCount("Version", "v1", "OK")), 2);
  assert.equal(samples.get(rpcCount("Version", "v1alpha2", "OK")), 1);
  assert.equal(samples.get(rpcCount("ContainerStatus", "v1", "NOT_FOUND")), 1);
  assert.equal(samples.get(rpcCount("ContainerStatus", "v1", "INVALID_ARGUMENT")), 1);
  const sum = samples.get(rpcCount("Version", "v1", "OK").replace("_count", "_sum")) ?? 0;
  assert.ok(sum > 0 && sum < 60, `${sum} s`);
});

test("a call is in flight until it is answered, also when its client leaves", async () => {
  const hold = engine.hold("createContainer");
  const call = rpc.start("RunPodSandbox", { config: { metadata: { name: "a", uid: "a", namespace: "a" } } });
  await hold.reached;
  assert.equal((await scrape(address)).get("dockershim_rpcs_in_flight"), 1);
  const answered = book.next("RunPodSandbox");
  const cancelled = assert.rejects(call.reply, /CANCELLED/);
  call.cancel();
  await cancelled;
  // On the same connection, so the server has heard of the cancellation before.
  for (let frames = 0; frames < 2; frames++) await rpc("Version");
  hold.release();
  await answered;
  const samples = await scrape(address);
  assert.equal(samples.get("dockershim_rpcs_in_flight"), 0);
  assert.equal(samples.get(rpcCount("RunPodSandbox", "v1", "CANCELLED")), 1);
});

test("Docker's calls are counted by operation and result, and no label has an id", async () => {
  const pod = await runPod(rpc);
  const container = await runContainer(rpc, pod);
  engine.fail("stopContainer", new CriError("failedPrecondition", "it does not want to"));
  await assert.rejects(rpc("StopContainer", { container_id: container }));
  const samples = await scrape(address);
  assert.equal(samples.get(dockerCount("stop_container", "failed_precondition")), 1);
  assert.ok((samples.get(dockerCount("start_container", "ok")) ?? 0) >= 2);
  assert.equal(samples.get(dockerCount("pull_image", "ok")), 1);
  assert.equal(samples.get('dockershim_inventory_entries{kind="podsandbox"}'), 1);
  assert.equal(samples.get('dockershim_inventory_entries{kind="container"}'), 1);
  assert.equal(samples.get("dockershim_logs_stalled"), 0);
  const { body } = await ask(address, "/metrics");
  assert.ok(!body.includes(pod) && !body.includes(container));
});

test("a session counts as open from its handshake to its end", async () => {
  const pod = await runPod(rpc, { metadata: { name: "s", uid: "s", namespace: "s" } });
  const container_id = await runContainer(rpc, pod, { metadata: { name: "s", attempt: 0 } });
  engine.execs.scripts.set("cat", { hangs: true });
  const { url } = await rpc("Exec", { container_id, cmd: ["cat"], stdout: true });
  const session = await openCommand(url, "websocket", { stdout: true });
  const samples = await scrape(address);
  assert.equal(samples.get('dockershim_streaming_sessions{kind="exec"}'), 1);
  assert.equal(samples.get('dockershim_streaming_sessions{kind="attach"}'), 0);
  const ended = book.next("exec");
  engine.execs.finish("cat");
  await session.status;
  await ended;
  const later = await scrape(address);
  assert.equal(later.get('dockershim_streaming_sessions{kind="exec"}'), 0);
  assert.equal(later.get('dockershim_streaming_sessions_total{kind="exec"}'), 1);
});

test("the process and the program are described", async () => {
  const samples = await scrape(address);
  const build = `dockershim_build_info{version="0.1.0",node_version="${process.version}"}`;
  assert.equal(samples.get(build), 1);
  for (const name of [
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "nodejs_eventloop_lag_p99_seconds",
  ]) {
    assert.ok((samples.get(name) ?? 0) > 0, name);
  }
  const { headers } = await ask(address, "/metrics");
  assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
});

test("it is not ready while Docker is away, which makes the inventory old, and ready when Docker is back", async () => {
  await eventually("it is ready", async () => (await ask(address, "/readyz")).status === 200);
  const lost = book.next("Docker's event stream is lost; reads wait for a new one");
  engine.down();
  await lost;
  const { status, body } = await ask(address, "/readyz");
  assert.equal(status, 503);
  assert.match(body, /^not ready: the inventory is not complete: cannot reach the Docker Engine/);
  assert.equal((await ask(address, "/healthz")).status, 200);
  const samples = await scrape(address);
  assert.equal(samples.get("dockershim_inventory_complete"), 0);
  assert.ok((samples.get("dockershim_inventory_age_seconds") ?? 0) > 0);

  const complete = book.next("inventory is complete");
  engine.up();
  await complete;
  assert.deepEqual(
    { ...(await ask(address, "/readyz")), headers: {} },
    { status: 200, body: "ok\n", headers: {} },
  );
  const later = await scrape(address);
  assert.equal(later.get("dockershim_inventory_complete"), 1);
  assert.equal(later.get("dockershim_inventory_age_seconds"), 0);
  assert.equal(later.get("dockershim_inventory_resyncs_total"), 1);
});

test("it is not ready when Docker does not answer, even if the inventory has heard nothing of that", async () => {
  engine.fail("version", new CriError("deadline", "the Docker Engine did not answer in time"));
  const { status, body } = await ask(address, "/readyz");
  assert.deepEqual([status, body], [503, "not ready: the Docker Engine did not answer in time\n"]);
});

test("HEAD is answered as GET is, without the body", async () => {
  for (const path of ["/metrics", "/healthz", "/readyz"]) {
    const { status, body, headers } = await ask(address, path, "HEAD");
    assert.deepEqual([status, body], [200, ""], path);
    assert.ok(Number(headers["content-length"]) > 0, path);
  }
});

for (const { method, path, status } of [
  { method: "GET", path: "/", status: 404 },
  { method: "GET", path: "/metrics/", status: 404 },
  { method: "GET", path: "/__proto__", status: 404 },
  { method: "POST", path: "/nothing", status: 404 },
  { method: "POST", path: "/metrics", status: 405 },
  { method: "DELETE", path: "/healthz", status: 405 },
  { method: "GET", path: "/healthz?verbose", status: 200 },
]) {
  test(`${method} ${path} is answered with ${status}`, async () => {
    const answer = await ask(address, path, method);
    assert.equal(answer.status, status);
    assert.equal(answer.headers["allow"], status === 405 ? "GET, HEAD" : undefined);
  });
}

test("a port that another program has ends the start with a sentence that names it", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => void other.close());
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const directory = await mkdtemp(join(tmpdir(), "dockershim-busy."));
  t.after(() => rm(directory, { recursive: true }));
  const config = { ...serverConfig(directory), metrics: { host: "127.0.0.1", port } };
  const engine = new FakeEngine(join(directory, "docker"));
  await assert.rejects(
    startApp(config, new LogBook().log(), engine),
    new RegExp(`cannot listen on --metrics-bind-address 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`),
  );
  assert.equal(existsSync(config.socketPath), false);
});

test("without the flag nothing is served", async (t) => {
  const { book } = await startServer(t);
  assert.throws(() => addressOf({ book }), /no metrics/);
});
