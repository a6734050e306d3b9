/** What becomes of a pod's network when its sandbox has ended and is started again. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { a, askedFor, b, no, sandbox, setUp as setUpHost, type World } from "./cni-network-support.js";

const detached = ["portmap DEL", "bridge DEL", "unpin a"];
const attachedAgain = ["pin a 201", "bridge ADD", "portmap ADD"];
const again = { id: a, pid: 201 };

/** A host with a pod that was attached, as 10.1.0.2, and has ended. */
async function setUp(t: TestContext, world: World = {}) {
  const host = await setUpHost(t, world);
  await host.attach(a);
  host.engine.containers.set(a, sandbox(a, "exited"));
  host.since();
  host.plugins.calls.length = 0;
  /** The addresses that the bridge plugin was asked for at each ADD. */
  const wishes = () =>
    host.plugins.calls
      .filter(({ type, command }) => type === "bridge" && command === "ADD")
      .map(({ input }) => [askedFor(input), (input["runtimeConfig"] as { ips?: string[] } | undefined)?.ips]);
  /** The bridge plugin has not got the addresses that it is asked for. */
  const refuseAddresses = () => {
    const give = host.plugins.answers.get("bridge ADD")!;
    host.plugins.answers.set("bridge ADD", (call) => {
      if (askedFor(call.input)) throw no("somebody else has that address");
      return give(call);
    });
  };
  const restart = async () => (await host.network.restart(sandbox(a, "exited")))(again);
  return { ...host, wishes, refuseAddresses, restart };
}

test("a pod that is not attached, such as one on the host's network, is started again as it is", async (t) => {
  const { network, since } = await setUp(t);
  await (
    await network.restart(sandbox(b, "exited"))
  )({ id: b, pid: 202 });
  assert.deepEqual(since(), []);
});

test("before the start what there was is taken back, while its namespace is there", async (t) => {
  const { network, plugins, records, onDisk, since } = await setUp(t);
  const result = records.get(a)?.result;
  await network.restart(sandbox(a, "exited"));
  assert.deepEqual(since(), detached);
  for (const { input, environment } of plugins.calls) {
    assert.deepEqual(input["prevResult"], result);
    assert.equal(environment?.["CNI_NETNS"], `/netns/cni-${a}`);
  }
  const { partial, formerIps, ...rest } = records.get(a)!;
  assert.deepEqual([rest.result, partial, formerIps], [undefined, true, ["10.1.0.2/24"]]);
  assert.deepEqual(onDisk(a)?.["dockershim"], { engine: "engine-1", partial: true, formerIps });
});

test("after the start the pod is attached anew, and gets its address back", async (t) => {
  const { network, records, since, wishes, attach, restart } = await setUp(t);
  await attach(b);
  since();
  await restart();
  assert.deepEqual(since(), [...detached, ...attachedAgain]);
  assert.deepEqual(wishes().at(-1), [["10.1.0.2/24"], ["10.1.0.2/24"]]);
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.2"]);
  assert.equal(records.get(a)?.partial, false);
});

test("all of a pod's addresses are asked for, as often as it is started again", async (t) => {
  const { plugins, wishes, restart } = await setUp(t);
  const give = plugins.answers.get("bridge ADD")!;
  plugins.answers.set("bridge ADD", (call) =>
    give({ ...call, input: { args: { cni: { ips: ["10.1.0.9/24", "fd00::9/64"] } } } }),
  );
  for (let time = 0; time < 3; time++) await restart();
  const later = ["10.1.0.9/24", "fd00::9/64"];
  assert.deepEqual(wishes(), [
    [["10.1.0.2/24"], ["10.1.0.2/24"]],
    [later, later],
    [later, later],
  ]);
});

test("a pod whose addresses somebody else has gets others, and half of the first try is taken back", async (t) => {
  const { network, records, since, wishes, refuseAddresses, restart, told } = await setUp(t);
  refuseAddresses();
  await restart();
  assert.deepEqual(since(), [...detached, "pin a 201", "bridge ADD", ...detached, ...attachedAgain]);
  assert.deepEqual(wishes(), [
    [["10.1.0.2/24"], ["10.1.0.2/24"]],
    [undefined, undefined],
  ]);
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.3"]);
  assert.deepEqual(told(), [["info", "a sandbox that was started again is not attached", a]]);
  // It is not the refused addresses that DEL and CHECK are told of.
  assert.equal(records.get(a)?.capabilityArgs["ips"], undefined);
});

test("a pod that had its addresses back once gets others when somebody else has them the next time", async (t) => {
  const { network, wishes, refuseAddresses, restart } = await setUp(t);
  await restart();
  refuseAddresses();
  await restart();
  const same = ["10.1.0.2/24"];
  assert.deepEqual(wishes(), [
    [same, same],
    [same, same],
    [undefined, undefined],
  ]);
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.3"]);
});

test("where both fail, the last error is told, all is taken back, and the next start asks for the old addresses", async (t) => {
  const { network, plugins, records, namespaces, since, wishes, restart } = await setUp(t);
  plugins.fails("portmap", "ADD", "no iptables");
  await assert.rejects(restart(), { message: "no iptables" });
  const tried = [...attachedAgain, ...detached];
  assert.deepEqual(since(), [...detached, ...tried, ...tried]);
  const { partial, formerIps } = records.get(a)!;
  assert.deepEqual([partial, formerIps, namespaces.pinned.size], [true, ["10.1.0.2/24"], 0]);
  assert.deepEqual(network.addresses(sandbox(a)), []);
  plugins.answers.set("portmap ADD", ({ input }) => input["prevResult"] as Record<string, unknown>);
  await restart();
  assert.deepEqual(wishes().at(-1), [["10.1.0.2/24"], ["10.1.0.2/24"]]);
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.2"]);
});

test("a sandbox that was not started after all is asked for its old addresses the next time, or is removed", async (t) => {
  const { network, records, wishes, restart, namespaces } = await setUp(t);
  await network.restart(sandbox(a, "exited"));
  await restart();
  assert.deepEqual(wishes(), [[["10.1.0.2/24"], ["10.1.0.2/24"]]]);
  await network.restart(sandbox(a, "exited"));
  await network.tearDown(a);
  assert.deepEqual([records.all(), namespaces.pinned.size], [[], 0]);
});

test("a sandbox whose first try cannot be taken back is not attached over it", async (t) => {
  const { network, plugins, records, since, refuseAddresses } = await setUp(t);
  refuseAddresses();
  const connect = await network.restart(sandbox(a, "exited"));
  since();
  plugins.fails("portmap", "DEL", "iptables is locked");
  await assert.rejects(connect(again), { message: "iptables is locked" });
  assert.deepEqual(since(), ["pin a 201", "bridge ADD", "portmap DEL", "bridge DEL"]);
  plugins.recovers("portmap", "DEL");
  await network.tearDown(a);
  assert.deepEqual(since(), detached);
  assert.deepEqual(records.all(), []);
});

test("a sandbox whose network cannot be taken back is not started, and stays attached", async (t) => {
  const { network, plugins, records } = await setUp(t);
  plugins.fails("bridge", "DEL");
  await assert.rejects(network.restart(sandbox(a, "exited")), { message: "bridge DEL failed" });
  assert.equal(records.get(a)?.partial, false);
  assert.ok(records.get(a)?.result);
});

test("a pod that was made by a predecessor becomes ours, with its namespace where ours are", async (t) => {
  const { network, plugins, records, namespaces, restart } = await setUp(t);
  await records.save({ ...records.get(a)!, engine: undefined, netns: "/proc/7/ns/net" });
  namespaces.pinned.clear();
  await restart();
  // It had ended, so its own namespace has gone.
  assert.equal(plugins.calls[0]?.environment?.["CNI_NETNS"], "");
  const { engine, netns } = records.get(a)!;
  assert.deepEqual([engine, netns, namespaces.pinned.get(a)], ["engine-1", `/netns/cni-${a}`, 201]);
  assert.deepEqual(network.addresses(sandbox(a)), ["10.1.0.2"]);
});
