/** The server itself: its socket, its start and end, what it tells of itself, and what it logs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { lstat, readFile, rename, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import { test, type TestContext } from "node:test";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import { service as healthService } from "grpc-health-check";
import descriptor from "protobufjs/ext/descriptor/index.js";
import { startApp } from "../../src/app.js";
import {
  appImage,
  createContainer,
  LogBook,
  podConfig,
  runContainer,
  runPod,
  sharedServer,
  startServer,
  versions,
} from "../support/server.js";
import { tableCodec } from "../support/table-client.js";

const shared = await sharedServer();

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

/** A socket file that nobody serves, as a killed process leaves it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.alive`);
  await once(server, "listening");
  await rename(`${path}.alive`, path);
  server.close();
  await once(server, "close");
}

test("the socket is for its owner and group only", async () => {
  assert.equal(await modeOf(shared.fresh().config.socketPath), "660");
});

test("a socket file that nobody serves any more is replaced", async (t) => {
  const path = join(shared.fresh().directory, "stale.sock");
  await leaveStaleSocket(path);
  assert.equal((await lstat(path)).isSocket(), true);
  const { rpc } = await startServer(t, { socketPath: path });
  assert.equal((await rpc("v1")("Version")).runtime_name, "docker");
  assert.equal(await modeOf(path), "660");
});

test("a second server on the same socket refuses, and the first goes on", async () => {
  const { config, engine, rpc } = shared.fresh();
  const before = await lstat(config.socketPath);
  const book = new LogBook();
  await assert.rejects(startApp(config, book.log(), engine), (error: Error) => {
    assert.ok(error.message.includes(config.socketPath), error.message);
    assert.match(error.message, /another process serves .*--container-runtime-endpoint/);
    return true;
  });
  assert.equal((await lstat(config.socketPath)).ino, before.ino);
  assert.equal((await rpc("v1")("Version")).runtime_name, "docker");
  const newcomer = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
  assert.equal((await callVersion(newcomer)).runtime_name, "docker");
  newcomer.close();
  assert.equal(
    book.lines.find(({ event }) => event === "serving"),
    undefined,
  );
});

test("a file at the socket's place that is no socket is left alone, and the start refused", async () => {
  const { config, engine, directory } = shared.fresh();
  const socketPath = join(directory, "precious.sock");
  await writeFile(socketPath, "precious");
  const start = startApp({ ...config, socketPath }, new LogBook().log(), engine);
  await assert.rejects(start, /precious\.sock exists and is not a socket/);
  assert.equal(await readFile(socketPath, "utf8"), "precious");
});

test("directories on the way to the socket are made", async (t) => {
  const { directory } = shared.fresh();
  const { rpc } = await startServer(t, { socketPath: join(directory, "run", "deep", "cri.sock") });
  assert.equal((await rpc("v1")("Version")).runtime_name, "docker");
});

/** A server whose end is the test's business. */
async function startServerToClose(t: TestContext) {
  const server = await startServer(t);
  return { ...server, address: `unix:${server.config.socketPath}` };
}

test("at its end the server lets calls under way finish, takes no new ones, and leaves no socket", async (t) => {
  const { app, engine, config, address, rpc: connectAs } = await startServerToClose(t);
  const rpc = connectAs("v1");
  const container_id = await runContainer(rpc, await runPod(rpc));
  const held = engine.hold("stopContainer");
  const stop = rpc("StopContainer", { container_id, timeout: 1 });
  await held.reached;

  const closed = app.close();
  await assert.rejects(rpc("Version"), { code: status.UNAVAILABLE });
  const newcomer = new Client(address, credentials.createInsecure());
  await assert.rejects(callVersion(newcomer), { code: status.UNAVAILABLE });
  newcomer.close();

  held.release();
  assert.deepEqual(await stop, {});
  await closed;
  assert.equal(engine.containers.inspect(container_id).State.Status, "exited");
  await assert.rejects(lstat(config.socketPath), { code: "ENOENT" });
});

test("clients that are connected and silent do not hold the end up", async (t) => {
  const { app, config, rpc } = await startServerToClose(t);
  await rpc("v1")("Version");
  const mute = connect(config.socketPath);
  await once(mute, "connect");
  const gone = once(mute, "close");
  await app.close();
  await gone;
});

test("a server can be started again where another one ended, and knows the pods that run", async (t) => {
  const { app, config, engine, rpc: connectAs } = await startServerToClose(t);
  const pod = await runPod(connectAs("v1"));
  await app.close();
  const again = await startApp(config, new LogBook().log(), engine);
  const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
  const { items } = await call<{ items: { id: string; state: string }[] }>(client, "ListPodSandbox");
  client.close();
  await again.close();
  assert.deepEqual(
    items.map(({ id, state }) => [id, state]),
    [[pod, "SANDBOX_READY"]],
  );
});

/** A unary call of v1 without arguments, by a client of the test's own. */
const call = <Reply>(client: Client, method: "Version" | "ListPodSandbox"): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const codec = tableCodec("v1");
    client.makeUnaryRequest(
      `/runtime.v1.RuntimeService/${method}`,
      () => codec.encode(`${method}Request`, {}),
      (bytes) => codec.decode(`${method}Response`, bytes) as Reply,
      {},
      (error, reply) => {
        if (error) reject(error);
        else resolve(reply as Reply);
      },
    );
  });
const callVersion = (client: Client) => call<{ runtime_name: string }>(client, "Version");

for (const authority of ["/var/run/x.sock", "/run/dockershim.sock", "localhost"]) {
  test(`a client that says it talks to ${authority} is served, call after call`, async () => {
    const { config } = shared.fresh();
    const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure(), {
      "grpc.default_authority": authority,
    });
    for (let time = 0; time < 5; time++) assert.equal((await callVersion(client)).runtime_name, "docker");
    client.close();
  });
}

const services = versions.flatMap((version) =>
  ["RuntimeService", "ImageService"].map((name) => `runtime.${version}.${name}`),
);

for (const version of ["v1", "v1alpha"]) {
  /** One question to the reflection service. */
  async function reflect(t: TestContext, question: object): Promise<Reflected> {
    const { config } = shared.fresh();
    const folder = dirname(createRequire(import.meta.url).resolve("@grpc/reflection/package.json"));
    const proto = loadSync(`grpc/reflection/${version}/reflection.proto`, {
      includeDirs: [join(folder, "build/proto")],
    });
    const definition = proto[`grpc.reflection.${version}.ServerReflection`] as ServiceDefinition;
    const info = definition["ServerReflectionInfo"] ?? assert.fail("no such method");
    const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
    t.after(() => client.close());
    const stream = client.makeBidiStreamRequest(info.path, info.requestSerialize, info.responseDeserialize);
    stream.write(question);
    stream.end();
    const [reply] = (await once(stream, "data")) as [Reflected];
    return reply;
  }

  test(`reflection ${version} lists both services of both versions`, async (t) => {
    const { listServicesResponse } = await reflect(t, { listServices: "*" });
    const names = listServicesResponse?.service.map(({ name }) => name) ?? [];
    for (const name of services) assert.ok(names.includes(name), `${name} is not among ${names.join(", ")}`);
  });

  for (const symbol of services) {
    test(`reflection ${version} describes ${symbol} with the names of the interface`, async (t) => {
      const { fileDescriptorResponse } = await reflect(t, { fileContainingSymbol: symbol });
      const files = (fileDescriptorResponse?.fileDescriptorProto ?? []).map(
        (bytes) => descriptor.FileDescriptorProto.decode(bytes) as unknown as FileDescriptor,
      );
      const messages = files.flatMap(({ messageType }) => messageType);
      const fields = messages.find(({ name }) => name === "CreateContainerRequest")?.field;
      assert.deepEqual(
        fields?.map(({ name }) => name),
        ["pod_sandbox_id", "config", "sandbox_config"],
      );
      const names = files.flatMap(({ service }) => service.flatMap(({ method }) => method));
      const wanted = symbol.endsWith("ImageService") ? "PullImage" : "StartPodSandbox";
      assert.ok(names.some(({ name }) => name === wanted));
    });
  }
}

interface Reflected {
  listServicesResponse?: { service: { name: string }[] };
  fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] };
}

interface FileDescriptor {
  messageType: { name: string; field: { name: string }[] }[];
  service: { method: { name: string }[] }[];
}

/** What the health service says of a service. */
const health = (socketPath: string, service: string): Promise<{ status: string }> =>
  new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = healthService["Check"] ?? assert.fail();
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      (error: ServiceError | null, reply) => {
        client.close();
        if (error) reject(error);
        else resolve(reply as { status: string });
      },
    );
  });

for (const service of ["", ...services]) {
  test(`the health service says that "${service}" is serving`, async () => {
    assert.deepEqual(await health(shared.fresh().config.socketPath, service), { status: "SERVING" });
  });
}

test("the health service does not know what is not served", async () => {
  const { socketPath } = shared.fresh().config;
  await assert.rejects(health(socketPath, "runtime.v1.NoService"), { code: status.NOT_FOUND });
});

for (const version of versions) {
  test(`${version}: every RPC logs one line, with its ids and how long it took`, async () => {
    const { book, rpc: connectAs } = shared.fresh();
    const rpc = connectAs(version);
    const rpcLines = () => book.lines.filter(({ fields }) => fields["part"] === "rpc");

    await rpc("PullImage", { image: { image: appImage } });
    const pod = await runPod(rpc);
    const container_id = await runContainer(rpc, pod);
    await rpc("ContainerStatus", { container_id });
    await rpc("ListContainers");
    await rpc("StopContainer", { container_id, timeout: 0 });
    await assert.rejects(rpc("PodSandboxStatus", { pod_sandbox_id: "none" }));
    const lines = rpcLines().map(({ event, level, fields: { part: _, ms, ...ids } }) => {
      assert.equal(typeof ms, "number", event);
      return [event, level, ids];
    });
    const { imageRef } = rpcLines()[0]?.fields ?? {};
    const pull = ["PullImage", "info", { image: appImage, imageRef }];
    assert.deepEqual(lines, [
      pull,
      ["RunPodSandbox", "info", { name: "web-0", namespace: "shop", podSandboxId: pod }],
      pull,
      ["CreateContainer", "info", { podSandboxId: pod, containerId: container_id, name: "app" }],
      ["StartContainer", "info", { containerId: container_id }],
      ["ContainerStatus", "debug", { containerId: container_id }],
      ["ListContainers", "debug", {}],
      ["StopContainer", "info", { containerId: container_id }],
      [
        "PodSandboxStatus",
        "warn",
        { podSandboxId: "none", code: "NOT_FOUND", error: 'no pod sandbox with id "none"' },
      ],
    ]);
  });

  test(`${version}: nothing of an environment and no credentials reach the log, also where calls fail`, async () => {
    const { engine, book, rpc: connectAs } = shared.fresh();
    const rpc = connectAs(version);
    const secret = "s3cr3t";
    const value = version === "v1" ? Buffer.from(secret) : secret;
    const image = { image: appImage };
    for (const auth of [
      { username: secret, password: secret },
      { auth: Buffer.from(`${secret}:${secret}`).toString("base64") },
      { identity_token: secret },
      { registry_token: secret },
      { auth: secret },
    ]) {
      await rpc("PullImage", { image, auth }).catch(() => undefined);
      await rpc("PullImage", { image: { image: "nowhere:1" }, auth }).catch(() => undefined);
    }
    const pod = await runPod(rpc);
    const envs = [{ key: "PASSWORD", value }];
    const container_id = await createContainer(rpc, pod, { envs });
    assert.deepEqual(engine.containers.inspect(container_id).Config.Env, [`PASSWORD=${secret}`]);
    for (const bad of [{ envs: [{ key: "", value }] }, { envs, mounts: [{}] }, { envs, image: null }]) {
      await assert.rejects(createContainer(rpc, pod, { metadata: { name: "bad" }, ...bad }));
    }
    engine.fail("createContainer", new Error("a bug of ours"));
    await assert.rejects(createContainer(rpc, pod, { metadata: { name: "bad" }, envs }));
    const { info } = await rpc("ContainerStatus", { container_id, verbose: true });
    const encoded = Buffer.from(`${secret}:${secret}`).toString("base64");
    for (const text of [JSON.stringify(book.lines), JSON.stringify(info)]) {
      assert.ok(!text.includes(secret) && !text.includes(encoded), text);
    }
    assert.ok(book.lines.length > 10);
  });
}

test("a bug is logged with its stack, and the client gets INTERNAL", async () => {
  const { engine, book, rpc } = shared.fresh();
  engine.fail("listImages", new TypeError("undefined is not a function"));
  await assert.rejects(rpc("v1")("ListImages"), { code: status.INTERNAL, details: /not a function/ });
  const line = book.lines.find(({ event }) => event === "ListImages");
  assert.equal(line?.level, "error");
  assert.match(String(line?.fields["stack"]), /TypeError.*\n.*at /);
});

test("the start is logged, and what was found out about the host once", async (t) => {
  const { book, config, rpc } = await startServer(t);
  for (let time = 0; time < 3; time++)
    await rpc("v1")("RunPodSandbox", { config: podConfig() }).catch(() => undefined);
  const events = (name: string) => book.lines.filter(({ event }) => event === name);
  assert.deepEqual(
    events("serving").map(({ fields }) => fields["socket"]),
    [config.socketPath],
  );
  assert.equal(events("host facts").length, 1);
  assert.equal(events("inventory is complete").length, 1);
});
