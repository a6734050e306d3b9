/** What is told of the pods' network: its readiness, the pods' addresses, and whether all is as it was made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { cniVersions } from "../../../../src/network/cni/conf.js";
import { a, b, sandbox, setUp } from "./cni-network-support.js";

const ready = { ready: true, reason: "", message: "" };
const notReady = (message: string) => ({ ready: false, reason: "NetworkPluginNotReady", message });

for (const cniVersion of cniVersions) {
  const asks = cniVersion === "1.1.0";
  test(`a network of version ${cniVersion} is ready when ${asks ? "its plugins say so" : "it is configured"}`, async (t) => {
    const { network, plugins } = await setUp(t, { cniVersion });
    assert.deepEqual(await network.status(), ready);
    assert.deepEqual(plugins.asked, asks ? ["bridge STATUS", "portmap STATUS"] : []);
  });
}

test("a network is not ready with the words of the plugin that is not", async (t) => {
  const { network, plugins } = await setUp(t);
  plugins.fails("portmap", "STATUS", 'CNI plugin "portmap" (STATUS) failed: no iptables');
  assert.deepEqual(await network.status(), notReady('CNI plugin "portmap" (STATUS) failed: no iptables'));
  plugins.recovers("portmap", "STATUS");
  assert.deepEqual(await network.status(), ready);
});

test("a network is not ready without a configuration, and the directory is named", async (t) => {
  const { network, removeConf } = await setUp(t);
  removeConf();
  const { message, ...rest } = await network.status();
  assert.match(message, /^no CNI configuration: ENOENT: .*\/net\.d'$/);
  assert.deepEqual(rest, { ready: false, reason: "NetworkPluginNotReady" });
});

test("a network is not ready while a plugin is missing, and is when it has come", async (t) => {
  const { network, plugins } = await setUp(t);
  const missing = 'CNI plugin "portmap" is not in /opt/cni/bin';
  plugins.versions.set("portmap", new CriError("failedPrecondition", missing));
  const { message } = await network.status();
  assert.match(
    message,
    /^no usable CNI configuration in .*: 10-pods\.conflist: CNI plugin "portmap" is not in/,
  );
  plugins.versions.delete("portmap");
  assert.deepEqual(await network.status(), ready);
});

test("a pod's addresses are told while it runs, the primary one first", async (t) => {
  const { network, attach, plugins } = await setUp(t);
  plugins.answers.set("portmap ADD", () => ({
    ips: [{ address: "fd00::5/64" }, { address: "10.1.0.5/24" }],
  }));
  await attach(a);
  assert.deepEqual(network.addresses(sandbox(a)), ["fd00::5", "10.1.0.5"]);
  assert.deepEqual(network.addresses(sandbox(a, "exited")), []);
  assert.deepEqual(network.addresses(sandbox(b)), []);
  await network.tearDown(a);
  assert.deepEqual(network.addresses(sandbox(a)), []);
});

test("a pod that is being attached has no address yet", async (t) => {
  const { network, attach, plugins } = await setUp(t);
  const seen: string[][] = [];
  plugins.answers.set("portmap ADD", () => {
    seen.push(network.addresses(sandbox(a)));
    return { ips: [{ address: "10.1.0.5/24" }] };
  });
  await attach(a);
  assert.deepEqual(seen, [[]]);
});

test("a pod whose network is as it was made has nothing wrong with it; the plugins look at all of it", async (t) => {
  const { network, attach, plugins, records } = await setUp(t);
  await attach(a);
  plugins.calls.length = 0;
  assert.equal(await network.check(sandbox(a)), undefined);
  assert.deepEqual(plugins.asked, ["bridge CHECK", "portmap CHECK"]);
  for (const { input, environment } of plugins.calls) {
    assert.deepEqual(input["prevResult"], records.get(a)?.result);
    assert.equal(environment?.["CNI_NETNS"], `/netns/cni-${a}`);
  }
});

test("what a plugin finds is told, and so is that nobody can look", async (t) => {
  const { network, attach, plugins, namespaces, engine } = await setUp(t);
  await attach(a);
  plugins.fails("bridge", "CHECK", "eth0 has lost 10.1.0.2");
  assert.equal(await network.check(sandbox(a)), "eth0 has lost 10.1.0.2");
  namespaces.pinned.clear();
  engine.down = true;
  assert.equal(await network.check(sandbox(a)), "cannot reach the Docker Engine");
});

test("a pod that is attached to nothing, or by half, is told to be", async (t) => {
  const { network, attach, records, plugins } = await setUp(t);
  const none = "the pod is attached to no network";
  assert.equal(await network.check(sandbox(a)), none);
  await attach(a);
  plugins.calls.length = 0;
  await records.save({ ...records.get(a)!, partial: true });
  assert.equal(await network.check(sandbox(a)), none);
  await records.save({ ...records.get(a)!, partial: false, result: undefined });
  assert.equal(await network.check(sandbox(a)), none);
  assert.deepEqual(plugins.asked, []);
});
