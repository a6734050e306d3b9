/** What was left behind of pods that are no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { deferred } from "../../../../src/waiting.js";
import { turns } from "../../../support/scripted-engine.js";
import { a, b, c, pluginConfs, setUp } from "./cni-network-support.js";

const noVersions = { cniVersion: "1.0.0" } as const;
const event = "the network of a sandbox that has gone was removed";
const failed = "the network of a sandbox that has gone could not be removed";
const nobody: ReadonlySet<string> = new Set();

test("of a sandbox that Docker no longer has, the network is removed, and the log tells of it", async (t) => {
  const { network, attach, engine, since, records, onDisk, told } = await setUp(t, noVersions);
  await attach(a);
  await attach(b);
  engine.containers.delete(a);
  since();
  await network.keepOnly(new Set([b]));
  assert.deepEqual(since(), ["portmap DEL", "bridge DEL", "unpin a"]);
  assert.deepEqual(
    records.all().map(({ containerId }) => containerId),
    [b],
  );
  assert.equal(onDisk(a), undefined);
  assert.deepEqual(told(), [["info", event, a]]);
});

test("half an attachment, as a crash leaves it, is removed as well", async (t) => {
  const { network, attach, engine, since, records } = await setUp(t, noVersions);
  await attach(a);
  await records.save({ ...records.get(a)!, partial: true });
  engine.containers.delete(a);
  since();
  await network.keepOnly(nobody);
  assert.deepEqual(since(), ["portmap DEL", "bridge DEL", "unpin a"]);
  assert.deepEqual(records.all(), []);
});

for (const [title, owner] of [
  ["another engine's", "engine-2"],
  ["a predecessor's", undefined],
] as const) {
  test(`${title} pod is left alone, whatever this engine knows of it`, async (t) => {
    const { network, attach, records, engine, since, told, onDisk } = await setUp(t, noVersions);
    await attach(a);
    await records.save({ ...records.get(a)!, engine: owner });
    engine.containers.delete(a);
    since();
    await network.keepOnly(nobody);
    assert.deepEqual([since(), onDisk(a) !== undefined, told()], [[], true, []]);
  });
}

test("the host ports of a predecessor's pod that has long gone are free again", async (t) => {
  const { network, attach, records } = await setUp(t);
  const ports = [{ protocol: "tcp", containerPort: 80, hostPort: 28080, hostIp: "" } as const];
  await attach(a, { ports: [...ports] });
  await records.save({ ...records.get(a)!, engine: undefined });
  await assert.rejects(attach(b, { ports: [...ports] }), { kind: "failedPrecondition" });
  await network.keepOnly(new Set([b]));
  await attach(b, { ports: [...ports] });
});

test("where new pods are on Docker's bridge, no configuration is looked for", async (t) => {
  const { network, plugins, told } = await setUp(t, { collectsGarbage: false });
  await network.keepOnly(nobody);
  assert.deepEqual([plugins.calls, told()], [[], []]);
});

test("a sandbox that is younger than the list stays attached", async (t) => {
  const { network, attach, since, records, told } = await setUp(t, noVersions);
  await attach(a);
  since();
  await network.keepOnly(nobody);
  assert.deepEqual([since(), records.all().length, told()], [[], 1, []]);
});

test("while Docker cannot say whether a sandbox is there, it stays attached", async (t) => {
  const { network, attach, engine, since, records } = await setUp(t, noVersions);
  await attach(a);
  engine.containers.delete(a);
  engine.down = true;
  since();
  await network.keepOnly(nobody);
  assert.deepEqual([since(), records.all().length], [[], 1]);
  engine.down = false;
  await network.keepOnly(nobody);
  assert.deepEqual(records.all(), []);
});

test("one that cannot be removed is told with its id, and keeps no other from being removed", async (t) => {
  const { network, attach, engine, plugins, records, told } = await setUp(t, noVersions);
  for (const id of [a, b, c]) {
    await attach(id);
    engine.containers.delete(id);
  }
  plugins.answers.set("bridge DEL", ({ environment }) => {
    if (environment?.["CNI_CONTAINERID"] === b) throw new CriError("internal", "no");
    return "";
  });
  await network.keepOnly(nobody);
  assert.deepEqual(
    records.all().map(({ containerId }) => containerId),
    [b],
  );
  const lines = told().sort(([, , one], [, , other]) => String(one).localeCompare(String(other)));
  assert.deepEqual(lines, [
    ["info", event, a],
    ["warn", failed, b],
    ["info", event, c],
  ]);
});

test("plugins of version 1.1.0 are told which pods there are, whoever has them, to remove what is nobody's", async (t) => {
  const { network, attach, records, engine, plugins } = await setUp(t);
  for (const id of [a, b, c]) await attach(id);
  engine.containers.delete(c);
  await records.save({ ...records.get(b)!, engine: "engine-2", partial: true });
  await records.save({
    ...records.get(b)!,
    containerId: "5b",
    conf: { ...records.get(b)!.conf, name: "other" },
  });
  plugins.calls.length = 0;
  await network.keepOnly(new Set([a]));
  assert.deepEqual(plugins.asked, ["portmap DEL", "bridge DEL", "bridge GC", "portmap GC"]);
  for (const { command, input } of plugins.calls) {
    if (command !== "GC") continue;
    assert.deepEqual(input["cni.dev/valid-attachments"], [
      { containerID: a, ifname: "eth0" },
      { containerID: b, ifname: "eth0" },
    ]);
  }
});

test("older plugins, and a network that forbids it, are not asked to collect", async (t) => {
  for (const world of [noVersions, { disableGC: true }]) {
    const { network, plugins } = await setUp(t, { ...world, plugins: pluginConfs });
    await network.keepOnly(nobody);
    assert.deepEqual(plugins.asked, []);
  }
});

test("while plugins collect, no pod is attached or detached; before, those that are under way are", async (t) => {
  const { network, attach, plugins, since } = await setUp(t);
  await attach(a);
  since();
  const [adding, held] = [deferred(), deferred()];
  const give = plugins.answers.get("bridge ADD")!;
  plugins.answers.set("bridge ADD", async (call) => {
    if (call.environment?.["CNI_CONTAINERID"] !== b) return give(call);
    adding.resolve();
    await held.promise;
    return give(call);
  });
  const [collecting, collected] = [deferred(), deferred()];
  plugins.answers.set("bridge GC", async () => {
    collecting.resolve();
    await collected.promise;
    return "";
  });
  const attachingB = attach(b);
  await adding.promise;
  const keeping = network.keepOnly(new Set([a, b]));
  await turns();
  assert.deepEqual(since(), ["pin b 102", "bridge ADD"]);
  held.resolve();
  await collecting.promise;
  const others = [network.tearDown(a), attach(c)];
  await turns();
  assert.deepEqual(since(), ["portmap ADD", "bridge GC"]);
  const { input } = plugins.calls.at(-1)!;
  assert.equal((input["cni.dev/valid-attachments"] as unknown[]).length, 2);
  collected.resolve();
  await Promise.all([attachingB, keeping, ...others]);
  const rest = since();
  assert.equal(rest[0], "portmap GC");
  assert.deepEqual(rest.slice(1).sort(), [
    ...["bridge ADD", "bridge DEL", "pin c 103", "portmap ADD", "portmap DEL", "unpin a"],
  ]);
});

test("collecting never fails for who asks: what goes wrong is in the log", async (t) => {
  const { network, attach, plugins, told } = await setUp(t);
  await attach(a);
  const warned = ["warn", "leftovers of the pods' network may have stayed", undefined];
  plugins.fails("bridge", "GC");
  await network.keepOnly(new Set([a]));
  assert.deepEqual(plugins.asked.slice(-2), ["bridge GC", "portmap GC"]);
  assert.deepEqual(told(), [warned]);
});

test("while nobody knows which engine this is, nothing is removed", async (t) => {
  const { network, attach, engine, identity, records, told } = await setUp(t);
  await attach(a);
  engine.containers.delete(a);
  Object.defineProperty(identity, "engine", {
    get: () => {
      throw new CriError("unavailable", "cannot reach the Docker Engine");
    },
  });
  await network.keepOnly(nobody);
  assert.equal(records.all().length, 1);
  assert.deepEqual(told(), [["warn", "leftovers of the pods' network may have stayed", undefined]]);
});
