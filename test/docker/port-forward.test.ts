/** Port-forward by URL on a real engine: over SPDY, over SPDY in a WebSocket, and over WebSocket's own channels. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { createWebSocketStream, WebSocket } from "ws";
import { eventually } from "../support/eventually.js";
import { processesLike } from "../support/processes.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";
import { dialSpdy, SpdyClient, type ClientStream } from "../support/spdy-client.js";

const mebibyte = 1024 * 1024;
const echoPort = 7;

let node: RealNode;
let pod: string;
const servers: ChildProcess[] = [];
before(async () => {
  node = await startNode();
  pod = await startPod();
});
after(async () => {
  for (const server of servers) server.kill();
  await node.close();
});

/** Answers on localhost:7 with what it is told. */
const echo = `require("node:net").createServer({ allowHalfOpen: true }, (socket) =>
  socket.on("error", () => {}).pipe(socket)).listen(${echoPort}, "127.0.0.1", 512, () => console.log("up"));`;

/** A pod whose only server is on its localhost. Busybox's servers would refuse more than one client at a time. */
async function startPod(): Promise<string> {
  const { pod } = await node.start();
  const { State } = await docker().getContainer(pod).inspect();
  const args = ["-t", String(State.Pid), "-n", process.execPath, "-e", echo];
  const server = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
  servers.push(server);
  await once(server.stdout, "data");
  return pod;
}

type Transport = "spdy" | "tunnel";

async function open(transport: Transport, sandbox = pod): Promise<SpdyClient> {
  const { url } = await node.runtime("PortForward", { pod_sandbox_id: sandbox });
  if (transport === "spdy") {
    const { client } = await dialSpdy(url, ["portforward.k8s.io"]);
    return client ?? assert.fail("refused");
  }
  // The tunnel's other name has a slash, which this client does not let through.
  const socket = new WebSocket(url.replace(/^http/, "ws"), ["v2.portforward.k8s.io"]);
  await once(socket, "open");
  return new SpdyClient(createWebSocketStream(socket));
}

let requests = 0;
async function connect(
  client: SpdyClient,
  port: number,
): Promise<{ error: ClientStream; data: ClientStream }> {
  const headers = { port: String(port), requestid: String(requests++) };
  const error = await client.open({ ...headers, streamtype: "error" });
  await error.fin();
  return { error, data: await client.open({ ...headers, streamtype: "data" }) };
}

/** What comes back for what is sent; a failure's text in its place. */
async function forwarded(transport: Transport, sandbox: string, port: number, text: string): Promise<string> {
  const client = await open(transport, sandbox);
  const { error, data } = await connect(client, port);
  const answers = Promise.all([error.collect(), data.collect()]);
  await data.write(text);
  await data.fin();
  const [failure, answer] = await answers;
  await client.leave();
  return String(failure) || String(answer);
}

for (const transport of ["spdy", "tunnel"] as const) {
  test(`${transport}: 64 connections at once carry 4 MiB each both ways, byte for byte`, async () => {
    const client = await open(transport);
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        const { error, data } = await connect(client, echoPort);
        const bytes = randomBytes(4 * mebibyte);
        const answer = data.digest();
        const failure = error.collect();
        await data.write(bytes);
        await data.fin();
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        assert.equal(String(await failure), "");
        assert.deepEqual(await answer, { bytes: bytes.length, sha256 });
      }),
    );
    await client.leave();
    assert.deepEqual(client.faults, []);
  });

  test(`${transport}: a port that nobody listens on is told on the error stream, and the session goes on`, async () => {
    const client = await open(transport);
    const refused = await connect(client, 9);
    assert.match(
      String(await refused.error.collect()),
      /^error forwarding port 9 to the pod: connection refused/,
    );
    assert.equal(await refused.data.ended, "fin");
    const { data } = await connect(client, echoPort);
    await data.write("still there");
    await data.fin();
    assert.equal(String(await data.collect()), "still there");
    await client.leave();
  });
}

test("a pod on the host's network is reached on the host's own localhost", async () => {
  const server = createServer((socket) => socket.end("from the host")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const config = node.podConfig({ linux: { security_context: { namespace_options: { network: "NODE" } } } });
  const sandbox = await node.runPod(config);
  assert.equal(await forwarded("spdy", sandbox, port, ""), "from the host");
  server.close();
});

test("WebSocket's channels: each port has two, announced with its number", async () => {
  const { url } = await node.runtime("PortForward", { pod_sandbox_id: pod, port: [echoPort, 9] });
  const socket = new WebSocket(url.replace(/^http/, "ws"), ["v4.channel.k8s.io"]);
  const channels: Buffer[][] = [[], [], [], []];
  const complete = new Promise<void>((resolve) =>
    socket.on("message", (data: Buffer) => {
      channels[data[0] ?? 0]?.push(data.subarray(1));
      if ((channels[0]?.length ?? 0) > 1 && (channels[3]?.length ?? 0) > 1) resolve();
    }),
  );
  await once(socket, "open");
  socket.send(Buffer.from("\0hello"));
  await complete;
  const [echo = [], noError = [], , refused = []] = channels;
  assert.deepEqual(
    [echo[0], noError[0], refused[0]],
    [
      [7, 0],
      [7, 0],
      [9, 0],
    ].map((port) => Buffer.from(port)),
  );
  assert.equal(String(echo[1]), "hello");
  assert.equal(noError.length, 1);
  assert.match(String(refused[1]), /connection refused/);
  socket.close(1000);
  await once(socket, "close");
});

test("the helper in a pod's network ends with the pod, and connections to it as well", async () => {
  const short = await startPod();
  assert.equal(await forwarded("spdy", short, echoPort, "heard"), "heard");
  assert.equal((await helpersOf(short)).length, 1);
  const client = await open("spdy", short);
  const { data } = await connect(client, echoPort);
  await node.runtime("StopPodSandbox", { pod_sandbox_id: short });
  // As a container's process would have been.
  servers.at(-1)?.kill();
  assert.equal(await data.ended, "fin");
  await eventually("the helper is gone", async () => (await helpersOf(short)).length === 0);
  const after = await connect(client, echoPort);
  assert.match(String(await after.error.collect()), /is not running/);
  await client.leave();
});

const helpersOf = (sandbox: string) => processesLike(new RegExp(`helper\\.[jt]s ${sandbox}$`));
