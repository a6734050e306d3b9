/** Host ports that more than one want. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import type { NetworkRequest } from "../../../../src/network/pod-network.js";
import { a, b, c, sandbox, setUp } from "./cni-network-support.js";

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const asking = (name: string, hostPort: number, hostIp = ""): Partial<NetworkRequest> => ({
  metadata: { name, namespace: "shop", uid: "u" },
  ports: [{ protocol: "tcp", containerPort: 80, hostPort, hostIp }],
});

test("a pod whose host port another pod has is refused by that pod's name, before anything is done", async (t) => {
  const { attach, network, since, records, told } = await setUp(t);
  const port = await freePort();
  await attach(a, asking("web", port));
  since();
  await assert.rejects(attach(b, asking("other", port)), {
    kind: "failedPrecondition",
    message: `host port ${port}/tcp is in use by pod shop/web`,
  });
  assert.deepEqual([since(), records.get(b), told()], [[], undefined, []]);
  await network.tearDown(a);
  await attach(b, asking("other", port));
});

test("of two pods that want a host port at the same time one gets it", async (t) => {
  const { attach, records, plugins } = await setUp(t);
  const port = await freePort();
  const outcomes = await Promise.allSettled([
    attach(a, asking("web", port)),
    attach(b, asking("web", port)),
    attach(c, asking("web", port)),
  ]);
  const refusals = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refusals.length, 2);
  for (const { reason } of refusals) {
    const { kind, message } = reason as { kind: string; message: string };
    assert.equal(kind, "failedPrecondition");
    assert.match(message, new RegExp(`^host port ${port}/tcp is in use by `));
  }
  assert.equal(records.all().length, 1);
  assert.deepEqual(plugins.asked, ["bridge ADD", "portmap ADD"]);
});

test("pods with different ports, or on different addresses, are in nobody's way", async (t) => {
  const { attach, records } = await setUp(t);
  const port = await freePort();
  await attach(a, asking("web", port, "127.0.0.1"));
  await attach(b, asking("web", port, "127.0.0.2"));
  await attach(c, asking("web", await freePort()));
  assert.equal(records.all().length, 3);
});

test("a pod whose host port a program of the host has is refused, before anything is done", async (t) => {
  const { attach, since, records } = await setUp(t);
  const server = createServer().listen(0);
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await assert.rejects(attach(a, asking("web", port)), {
    kind: "failedPrecondition",
    message: `host port ${port}/tcp is in use by a program on this host`,
  });
  assert.deepEqual([since(), records.all()], [[], []]);
});

test("a pod that is started again has its own host port, and not one that another pod got meanwhile", async (t) => {
  const { attach, network, records, plugins } = await setUp(t);
  const port = await freePort();
  await attach(a, asking("web", port));
  await (
    await network.restart(sandbox(a, "exited"))
  )({ id: a, pid: 201 });
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.2"]);
  // While it is down, the port stays its own.
  const connect = await network.restart(sandbox(a, "exited"));
  await assert.rejects(attach(b, asking("other", port)), { message: /is in use by pod shop\/web$/ });
  await connect({ id: a, pid: 202 });
  const mappings = plugins.calls
    .filter(({ type, command }) => type === "portmap" && command === "ADD")
    .map(({ input }) => (input["runtimeConfig"] as { portMappings: unknown }).portMappings);
  const mapping = { hostPort: port, containerPort: 80, protocol: "tcp" };
  assert.deepEqual(mappings, [[mapping], [mapping], [mapping]]);
  assert.equal(records.all().length, 1);
});
