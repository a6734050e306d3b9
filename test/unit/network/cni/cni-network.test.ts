/** How a pod gets its network, and loses it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { deferred } from "../../../../src/waiting.js";
import { a, b, no, pids, sandbox, setUp } from "./cni-network-support.js";
import { networkRequest } from "./support.js";

const attached = ["pin a 101", "bridge ADD", "portmap ADD"];
const detached = ["portmap DEL", "bridge DEL", "unpin a"];

test("a pod's namespace is kept, then the plugins attach it there, and it has an address", async (t) => {
  const { network, attach, since, plugins } = await setUp(t);
  await attach(a);
  assert.deepEqual(since(), attached);
  for (const { environment } of plugins.calls) {
    assert.equal(environment?.["CNI_NETNS"], `/netns/cni-${a}`);
    assert.equal(environment?.["CNI_CONTAINERID"], a);
  }
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.2"]);
});

test("what is going to be done is on the disk before it is done, and what came of it is as it comes", async (t) => {
  const { attach, plugins, onDisk, records, story } = await setUp(t);
  const seen: unknown[] = [];
  const look = (): void => {
    const { result, dockershim } = onDisk(a) ?? {};
    seen.push([story.at(-1), Boolean(result), dockershim]);
  };
  for (const type of ["bridge", "portmap"]) {
    const answer = plugins.answers.get(`${type} ADD`)!;
    plugins.answers.set(`${type} ADD`, (call) => {
      look();
      return answer(call);
    });
  }
  await attach(a);
  look();
  assert.deepEqual(seen, [
    ["bridge ADD", false, { engine: "engine-1", partial: true }],
    ["portmap ADD", true, { engine: "engine-1", partial: true }],
    ["portmap ADD", true, { engine: "engine-1", partial: false }],
  ]);
  assert.equal(records.get(a)?.partial, false);
});

test("a pod is attached in the ranges of the flag, and then in those that the kubelet says", async (t) => {
  const { network, attach, plugins } = await setUp(t, { podCidrs: ["10.1.0.0/24"] });
  await attach(a);
  await network.setPodCidrs(["10.2.0.0/24", "fd00::/64"]);
  await attach(b);
  const ranges = plugins.calls
    .filter(({ type }) => type === "bridge")
    .map(({ input }) => (input["runtimeConfig"] as { ipRanges: unknown }).ipRanges);
  assert.deepEqual(ranges, [
    [[{ subnet: "10.1.0.0/24" }]],
    [[{ subnet: "10.2.0.0/24" }], [{ subnet: "fd00::/64" }]],
  ]);
});

test("a sandbox is created without a network of Docker's, and without its ports", async (t) => {
  const { network, since } = await setUp(t);
  const ports = [{ protocol: "tcp", containerPort: 80, hostPort: 80, hostIp: "" }] as const;
  assert.deepEqual(await network.plan(networkRequest({ ports: [...ports] })), { mode: "none", ports: [] });
  assert.deepEqual(since(), []);
});

test("a pod that cannot have its network is refused before anything of it is made", async (t) => {
  const { network, removeConf, attach, since, records } = await setUp(t);
  const annotations = { "kubernetes.io/egress-bandwidth": "much" };
  await assert.rejects(network.plan(networkRequest({ annotations })), { kind: "invalid", message: /"much"/ });
  removeConf();
  const none = { kind: "failedPrecondition", message: /^no CNI configuration/ };
  await assert.rejects(network.plan(networkRequest()), none);
  await assert.rejects(attach(a), none);
  assert.deepEqual([since(), records.all()], [[], []]);
});

test("an ADD that fails is taken back as far as it came, and leaves nothing but its error", async (t) => {
  const { network, attach, plugins, since, records, onDisk, told, namespaces } = await setUp(t);
  plugins.fails("portmap", "ADD", "no iptables");
  await assert.rejects(attach(a), { kind: "internal", message: "no iptables" });
  assert.deepEqual(since(), [...attached, ...detached]);
  // What the first plugin came to is what DEL has to go by.
  const [, , portmap, bridge] = plugins.calls.map(({ input }) => input["prevResult"]);
  assert.deepEqual([portmap, bridge], [plugins.calls[1]?.input["prevResult"], portmap]);
  assert.ok(portmap);
  assert.deepEqual([records.all(), onDisk(a), namespaces.pinned.size, told()], [[], undefined, 0, []]);
  assert.deepEqual(network.addresses(sandbox(a)), []);
});

test("half an ADD is taken back past a plugin that fails, and what stays is taken back when it is tried again", async (t) => {
  const { network, attach, plugins, since, records, onDisk, told, namespaces } = await setUp(t);
  plugins.fails("bridge", "ADD", "no addresses left");
  plugins.fails("portmap", "DEL");
  await assert.rejects(attach(a), { message: "no addresses left" });
  assert.deepEqual(since(), ["pin a 101", "bridge ADD", "portmap DEL", "bridge DEL"]);
  assert.equal(records.get(a)?.partial, true);
  assert.ok(onDisk(a));
  assert.deepEqual(told(), [["warn", "what was made of a pod's network could not be taken back", a]]);
  assert.deepEqual(network.addresses(sandbox(a)), []);
  await assert.rejects(network.tearDown(a), { message: "portmap DEL failed" });
  plugins.recovers("portmap", "DEL");
  since();
  await network.tearDown(a);
  assert.deepEqual(since(), detached);
  assert.deepEqual([records.all(), onDisk(a), namespaces.pinned.size], [[], undefined, 0]);
});

test("a namespace that cannot be kept is the error, and the plugins are asked to take back what there may be", async (t) => {
  const { attach, namespaces, since, records } = await setUp(t);
  namespaces.fails = new CriError("failedPrecondition", "the sandbox's process 101 has gone");
  await assert.rejects(attach(a), { kind: "failedPrecondition", message: /101 has gone$/ });
  assert.deepEqual(since(), ["pin a 101", ...detached]);
  assert.deepEqual(records.all(), []);
});

test("a client that goes ends the ADD, and what was made is taken back without it", async (t) => {
  const { attach, plugins, since, records } = await setUp(t);
  const client = new AbortController();
  const given: (AbortSignal | undefined)[] = [];
  plugins.answers.set("portmap ADD", (_, signal) => {
    given.push(signal);
    client.abort();
    throw new CriError("cancelled", "the client cancelled the request");
  });
  plugins.answers.set("DEL", (_, signal) => {
    given.push(signal);
    return "";
  });
  await assert.rejects(attach(a, {}, client.signal), { kind: "cancelled" });
  assert.deepEqual(given, [client.signal, undefined, undefined]);
  assert.deepEqual(since(), [...attached, ...detached]);
  assert.deepEqual(records.all(), []);
});

test("a pod is detached with what ADD came to, last plugin first, and nothing is left", async (t) => {
  const { network, attach, plugins, since, records, onDisk, namespaces } = await setUp(t);
  await attach(a);
  const result = records.get(a)?.result;
  since();
  plugins.calls.length = 0;
  await network.tearDown(a);
  assert.deepEqual(since(), detached);
  for (const { input, environment } of plugins.calls) {
    assert.deepEqual(input["prevResult"], result);
    assert.equal(environment?.["CNI_NETNS"], `/netns/cni-${a}`);
  }
  assert.deepEqual([records.all(), onDisk(a), namespaces.pinned.size], [[], undefined, 0]);
});

test("to detach a pod again, or one that never was, is no error and runs nothing", async (t) => {
  const { network, attach, since } = await setUp(t);
  await attach(a);
  await Promise.all([network.tearDown(a), network.tearDown(a)]);
  assert.deepEqual(since(), [...attached, ...detached]);
  await network.tearDown(a);
  await network.tearDown(b);
  assert.deepEqual(since(), []);
});

for (const [title, fail, recover] of [
  ["a plugin", "bridge DEL failed", ["portmap DEL", "bridge DEL"]],
  ["the namespace", "busy", detached],
] as const) {
  test(`a pod that ${title} does not let go of stays attached to the next try`, async (t) => {
    const { network, attach, plugins, since, records, onDisk, namespaces } = await setUp(t);
    await attach(a);
    since();
    if (title === "a plugin") plugins.fails("bridge", "DEL");
    else namespaces.fails = no("busy");
    await assert.rejects(network.tearDown(a), { message: fail });
    assert.deepEqual(since(), recover);
    assert.ok(records.get(a)?.result && onDisk(a) && namespaces.pinned.has(a));
    plugins.recovers("bridge", "DEL");
    await network.tearDown(a);
    assert.deepEqual(since(), detached);
    assert.deepEqual([records.all(), onDisk(a)], [[], undefined]);
  });
}

const namespaceCases: { title: string; state: "running" | "exited" | "gone"; want: string }[] = [
  { title: "runs is detached by its process", state: "running", want: `/proc/${pids[a]}/ns/net` },
  { title: "has ended is detached without one", state: "exited", want: "" },
  { title: "is no more is detached without one", state: "gone", want: "" },
];
for (const { title, state, want } of namespaceCases) {
  test(`a pod whose namespace was not kept, as a predecessor's, and that ${title}`, async (t) => {
    const { network, attach, plugins, namespaces, engine, records } = await setUp(t);
    await attach(a);
    namespaces.pinned.clear();
    if (state === "gone") engine.containers.delete(a);
    else engine.containers.set(a, sandbox(a, state));
    plugins.calls.length = 0;
    await network.tearDown(a);
    assert.deepEqual(
      plugins.calls.map(({ environment }) => environment?.["CNI_NETNS"]),
      [want, want],
    );
    assert.deepEqual(records.all(), []);
  });
}

test("while Docker cannot say whether such a pod runs, it stays attached", async (t) => {
  const { network, attach, namespaces, engine, records, since } = await setUp(t);
  await attach(a);
  namespaces.pinned.clear();
  engine.down = true;
  since();
  await assert.rejects(network.tearDown(a), { kind: "unavailable" });
  assert.deepEqual(since(), []);
  assert.ok(records.get(a)?.result);
});

test("a pod that is to be detached while it is being attached is, afterwards; others do not wait", async (t) => {
  const { network, attach, plugins, since, records } = await setUp(t);
  const [reached, held] = [deferred(), deferred()];
  const answer = plugins.answers.get("bridge ADD")!;
  plugins.answers.set("bridge ADD", async (call) => {
    if (call.environment?.["CNI_CONTAINERID"] === a) {
      reached.resolve();
      await held.promise;
    }
    return answer(call);
  });
  const attaching = attach(a);
  await reached.promise;
  const detaching = network.tearDown(a);
  await attach(b);
  assert.deepEqual(since(), ["pin a 101", "bridge ADD", "pin b 102", "bridge ADD", "portmap ADD"]);
  held.resolve();
  await Promise.all([attaching, detaching]);
  assert.deepEqual(since(), ["portmap ADD", ...detached]);
  assert.deepEqual(
    records.all().map(({ containerId }) => containerId),
    [b],
  );
});

test("when the server stops, so do the plugins", async (t) => {
  const { network, plugins } = await setUp(t);
  assert.equal(plugins.closed, false);
  await network.close();
  assert.equal(plugins.closed, true);
});
