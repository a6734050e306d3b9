/** Whole sessions of PortForward: over the URL to a port of this machine, where a pod on the host's network is. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { createWebSocketStream, WebSocket } from "ws";
import { transports } from "../support/command-session.js";
import { runPod, sharedServer, type Rpc } from "../support/server.js";
import { dialSpdy, SpdyClient } from "../support/spdy-client.js";

const shared = await sharedServer();
const hosted = { linux: { security_context: { namespace_options: { network: "NODE" } } } };

/** @returns its port */
async function startGreeter(t: TestContext): Promise<number> {
  const greeter = createServer((socket) =>
    socket.once("data", (data) => socket.end(`hello ${String(data)}`)),
  );
  greeter.listen(0, "127.0.0.1");
  await once(greeter, "listening");
  t.after(() => greeter.close());
  return (greeter.address() as AddressInfo).port;
}

const forwardUrl = async (rpc: Rpc, id: string, port: number[] = []): Promise<string> =>
  (await rpc("PortForward", { pod_sandbox_id: id, port })).url;

for (const transport of transports) {
  test(`over ${transport} a port of a pod on the host's network is reached`, async (t) => {
    const port = String(await startGreeter(t));
    const rpc = shared.fresh().rpc("v1");
    const url = await forwardUrl(rpc, await runPod(rpc, hosted));
    let client: SpdyClient | undefined;
    if (transport === "spdy") client = (await dialSpdy(url, ["portforward.k8s.io"])).client;
    else {
      const tunnel = new WebSocket(url.replace("http", "ws"), ["v2.portforward.k8s.io"]);
      client = new SpdyClient(createWebSocketStream(tunnel));
    }
    assert.ok(client);
    const error = await client.open({ streamtype: "error", port, requestid: "0" });
    const data = await client.open({ streamtype: "data", port, requestid: "0" });
    await data.write("world");
    assert.equal((await data.collect()).toString(), "hello world");
    assert.equal((await error.collect()).toString(), "");
    await client.leave();
  });
}

test("the ports that the RPC named are those of a WebSocket client without a tunnel", async (t) => {
  const port = await startGreeter(t);
  const rpc = shared.fresh().rpc("v1alpha2");
  const url = await forwardUrl(rpc, await runPod(rpc, hosted), [port]);
  const client = new WebSocket(url.replace("http", "ws"), ["v4.channel.k8s.io"]);
  const messages: string[] = [];
  client.on("message", (data: Buffer) => messages.push(data.toString("latin1")));
  await once(client, "open");
  client.send("\0world");
  const [code] = (await once(client, "close")) as [number];
  assert.equal(code, 1000);
  assert.deepEqual(messages.slice(2), ["\0hello world"]);
});

test("a port of a pod that has been stopped is a failure that says so", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  const stopped = await runPod(rpc);
  const { client } = await dialSpdy(await forwardUrl(rpc, stopped), ["portforward.k8s.io"]);
  engine.containers.exit(stopped, 0);
  const error = await client!.open({ streamtype: "error", port: "80", requestid: "0" });
  await client!.open({ streamtype: "data", port: "80", requestid: "0" });
  assert.equal(
    (await error.collect()).toString(),
    `error forwarding port 80 to the pod: pod sandbox ${stopped} is not running`,
  );
  await client!.leave();
});
