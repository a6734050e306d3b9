/** Traces of a whole server, as a collector receives them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, credentials, Metadata, Server, ServerCredentials } from "@grpc/grpc-js";
import { CriError } from "../../src/errors.js";
import { startReceiver, withEnvironment } from "../support/otlp-receiver.js";
import { runContainer, runPod, startServer } from "../support/server.js";
import { tableClient, tableCodec } from "../support/table-client.js";

const tracing = { protocol: "http/json" } as const;
/** A span is to come soon. */
const soon = { OTEL_BSP_SCHEDULE_DELAY: "1" };

const loaded = (name: string): string[] =>
  Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes(`/node_modules/${name}`));

// Before any test of this file loads them.
test("what is neither counted nor traced loads no library for that", async (t) => {
  const { rpc } = await startServer(t);
  await rpc("v1")("Version");
  assert.deepEqual([...loaded("@opentelemetry/"), ...loaded("prom-client/")], []);
});

test("an RPC is a span in its caller's trace, and Docker's calls are spans below it", async (t) => {
  const receiver = await startReceiver(t);
  withEnvironment(t, {
    ...soon,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_RESOURCE_ATTRIBUTES: "k8s.node.name=n1",
  });
  const { config, rpc } = await startServer(t, { tracing });
  // Or what is looked for would not be there in the test above either.
  assert.ok(loaded("@opentelemetry/sdk-trace").length > 0);
  const pod = await runPod(rpc("v1"));
  const [traceId, parentSpanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

  const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
  t.after(() => client.close());
  const codec = tableCodec("v1");
  const metadata = new Metadata();
  metadata.set("traceparent", `00-${traceId}-${parentSpanId}-01`);
  const reply = await new Promise<object>((resolve, reject) => {
    client.makeUnaryRequest(
      "/runtime.v1.RuntimeService/StopPodSandbox",
      (value: object) => codec.encode("StopPodSandboxRequest", value),
      (bytes) => codec.decode("StopPodSandboxResponse", bytes),
      { pod_sandbox_id: pod },
      metadata,
      (error, value) => (error ? reject(error) : resolve(value ?? {})),
    );
  });
  assert.deepEqual(reply, {});

  const call = await receiver.span("runtime.v1.RuntimeService/StopPodSandbox");
  assert.deepEqual(
    { traceId: call.traceId, parentSpanId: call.parentSpanId, kind: call.kind, status: call.status },
    { traceId, parentSpanId, kind: 2, status: 0 },
  );
  assert.deepEqual(call.attributes, {
    "rpc.system": "grpc",
    "rpc.service": "runtime.v1.RuntimeService",
    "rpc.method": "StopPodSandbox",
    "rpc.grpc.status_code": "0",
    "sandbox.id": pod,
  });
  const below = receiver.spans().filter((span) => span.parentSpanId === call.spanId);
  const stop = below.find(({ name }) => name === "docker stop_container");
  assert.deepEqual([stop?.traceId, stop?.kind, stop?.attributes["container.id"]], [traceId, 3, pod]);

  assert.equal(receiver.received[0]?.path, "/v1/traces");
  const { "service.name": service, "service.version": version, "k8s.node.name": node } = receiver.resource();
  assert.deepEqual([service, version, node], ["dockershim", "0.1.0", "n1"]);
});

test("without a traceparent a call begins a trace; what it says of people's containers is their ids", async (t) => {
  const receiver = await startReceiver(t);
  withEnvironment(t, {
    ...soon,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/traces`,
    OTEL_SERVICE_NAME: "cri",
  });
  const server = await startServer(t, { tracing });
  const rpc = server.rpc("v1");
  const pod = await runPod(rpc);
  const container_id = await runContainer(rpc, pod, {
    command: ["/bin/app", "--key=my-word"],
    envs: [{ key: "KEY", value: Buffer.from("my-word") }],
  });
  server.engine.fail("updateContainer", new CriError("internal", "my-word is not liked"));
  const linux = { cpu_shares: "512" };
  await assert.rejects(rpc("UpdateContainerResources", { container_id, linux }), /my-word/);

  const run = await receiver.span("runtime.v1.RuntimeService/RunPodSandbox");
  assert.ok(!run.parentSpanId);
  assert.equal(run.attributes["sandbox.id"], pod);
  const create = await receiver.span("runtime.v1.RuntimeService/CreateContainer");
  assert.equal(create.attributes["container.id"], container_id);
  assert.notEqual(create.traceId, run.traceId);
  const update = await receiver.span("runtime.v1.RuntimeService/UpdateContainerResources");
  assert.deepEqual([update.status, update.attributes["rpc.grpc.status_code"]], [2, "13"]);
  const docker = await receiver.span("docker update_container");
  assert.deepEqual([docker.parentSpanId, docker.status], [update.spanId, 2]);
  assert.equal(docker.attributes["error.type"], "internal");
  assert.ok(receiver.received.every(({ path, body }) => path === "/traces" && !body.includes("my-word")));
  assert.equal(receiver.resource()["service.name"], "cri");
});

test("what the program does by itself makes no traces, and a caller's choice not to be traced holds", async (t) => {
  const receiver = await startReceiver(t);
  withEnvironment(t, { ...soon, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint });
  const { engine, book, rpc, config } = await startServer(t, { tracing });
  const complete = book.next("inventory is complete");
  engine.down();
  engine.up();
  await complete;
  const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
  t.after(() => client.close());
  const metadata = new Metadata();
  metadata.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  await new Promise<void>((resolve, reject) => {
    const bytes = (value: Buffer) => value;
    client.makeUnaryRequest(
      "/runtime.v1.RuntimeService/Status",
      bytes,
      bytes,
      Buffer.alloc(0),
      metadata,
      (error) => (error ? reject(error) : resolve()),
    );
  });
  await rpc("v1")("Version");
  const version = await receiver.span("runtime.v1.RuntimeService/Version");
  for (const span of receiver.spans()) assert.equal(span.traceId, version.traceId, span.name);
});

test("a collector that cannot be reached costs one line of the log, and no call", async (t) => {
  const nobody = createServer().listen(0, "127.0.0.1");
  await once(nobody, "listening");
  const { port } = nobody.address() as AddressInfo;
  nobody.close();
  await once(nobody, "close");
  withEnvironment(t, {
    ...soon,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: "50",
  });
  const { app, book, rpc } = await startServer(t, { tracing });
  const told = book.next("traces cannot be sent; there is another line when they can");
  await rpc("v1")("Version");
  await told;
  for (let calls = 0; calls < 5; calls++) await rpc("v1")("Version");
  await app.close();
  const said = book.lines.filter(
    ({ level, fields }) => level !== "info" && fields["part"] === "observability",
  );
  assert.deepEqual(said, [await told]);
});

test("an exporter's variables that make no sense are told of in the log", async (t) => {
  withEnvironment(t, { OTEL_TRACES_SAMPLER: "sometimes", OTEL_EXPORTER_OTLP_ENDPOINT: "nowhere" });
  const { book, rpc } = await startServer(t, { tracing });
  await rpc("v1")("Version");
  const said = book.lines
    .filter(({ event }) => event === "OpenTelemetry")
    .map(({ fields }) => fields["detail"]);
  assert.match(said.join("\n"), /sometimes/);
  assert.match(said.join("\n"), /nowhere/);
});

test("a collector that speaks gRPC gets the same traces", async (t) => {
  const collector = new Server();
  const bytes = (value: Buffer) => value;
  const came = new Promise<Buffer>((resolve) =>
    collector.addService(
      {
        Export: {
          path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
          requestStream: false,
          responseStream: false,
          requestDeserialize: bytes,
          requestSerialize: bytes,
          responseDeserialize: bytes,
          responseSerialize: bytes,
        },
      },
      {
        Export: (call: { request: Buffer }, callback: (error: null, reply: Buffer) => void) => {
          callback(null, Buffer.alloc(0));
          resolve(call.request);
        },
      },
    ),
  );
  const port = await promisify(collector.bindAsync.bind(collector))(
    "127.0.0.1:0",
    ServerCredentials.createInsecure(),
  );
  t.after(() => collector.forceShutdown());
  withEnvironment(t, { ...soon, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
  const { rpc } = await startServer(t, { tracing: { protocol: "grpc" } });
  await rpc("v1")("Version");
  assert.ok((await came).includes("runtime.v1.RuntimeService/Version"));
});

test("a server that is told to stop sends what it has, in OTLP's usual form", async (t) => {
  const receiver = await startReceiver(t);
  const { directory } = await startServer(t);
  const socket = join(directory, "other.sock");
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const flags = [
    `--container-runtime-endpoint=unix://${socket}`,
    `--docker-endpoint=unix://${join(directory, "no-docker.sock")}`,
    `--root-directory=${join(directory, "other")}`,
    "--network-plugin=bridge",
  ];
  const child = spawn(process.execPath, ["--import", "tsx", main, ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: "600000",
    },
  });
  const exited = once(child, "exit");
  let log = "";
  while (!log.includes("serving")) {
    const [text] = (await once(child.stderr, "data")) as [Buffer];
    log += text.toString();
  }
  child.stderr.resume();
  const client = tableClient("v1", `unix:${socket}`);
  await client.call("RuntimeService", "Status", {});
  client.close();
  assert.equal(receiver.received.length, 0);
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
  const [sent] = receiver.received;
  assert.equal(sent?.type, "application/x-protobuf");
  assert.ok(sent.body.includes("runtime.v1.RuntimeService/Status"));
});
