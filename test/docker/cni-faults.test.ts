/** A plugin that misbehaves, in a chain with Debian's: its own words reach the client, and nothing is left behind. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { bridgePlugin, conflist } from "../support/cni-confs.js";
import { makeCniPlace, type CniPlace } from "../support/cni-place.js";
import { makeTestPlugin, type TestPlugin } from "../support/cni-plugin.js";
import { eventually } from "../support/eventually.js";
import { changes, type NetworkState } from "../support/network-state.js";
import { processesLike } from "../support/processes.js";
import { code, startNode, type RealNode } from "../support/real-node.js";

/** Found again in a command line. */
const longSleep = "31415926";
const timeout = 3000;

/** What a plugin may do wrong at any command, and what is to be said of it. */
const faults = [
  {
    how: "tells an error",
    script: `echo '{"cniVersion":"1.0.0","code":100,"msg":"no more addresses","details":"try tomorrow"}'; exit 1`,
    says: /probe.* failed: no more addresses: try tomorrow/,
    is: code.INTERNAL,
  },
  {
    how: "asks to be tried again",
    script: `echo '{"code":11,"msg":"not yet"}'; exit 1`,
    says: /probe.* failed: not yet/,
    is: code.UNAVAILABLE,
  },
  {
    how: "fails without JSON",
    script: `echo halfway; echo "no such device" >&2; exit 3`,
    says: /probe.* ended with exit code 3: "no such device"/,
    is: code.INTERNAL,
  },
  { how: "dies", script: "kill -9 $$", says: /probe.* was killed by SIGKILL/, is: code.INTERNAL },
  {
    how: "hangs",
    script: `sleep ${longSleep}`,
    says: /probe.* did not end within 3 s/,
    is: code.DEADLINE_EXCEEDED,
  },
];
const rubbish = {
  how: "prints rubbish",
  script: "echo hello",
  says: /probe.* printed no JSON object but "hello/,
  is: code.INTERNAL,
};

let node: RealNode;
let place: CniPlace;
let probe: TestPlugin;
let clean: NetworkState;
const bridge = () =>
  bridgePlugin({ name: "pods", bridge: "cni-faults", subnets: ["10.93.0.0/24"], leases: place.leases });
const asUsual = () => place.use(conflist("pods", [bridge(), { type: "probe" }]));
/** Debian's plugins do not know it. */
const newest = () => place.use(conflist("pods", [{ type: "probe" }], "1.1.0"));

before(async () => {
  place = await makeCniPlace({ timeout });
  probe = makeTestPlugin(place.bin, "probe");
  await asUsual();
  node = await startNode({ networkPlugin: "cni", cni: place.cni });
  await node.removePod(await run());
  clean = await place.state();
});
after(async () => {
  await node.close();
  await place.remove();
});
afterEach(async () => {
  for (const command of ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const) probe.behave(command);
  await asUsual();
  await node.removeAllPods();
  assert.deepEqual(changes(clean, await place.state()), []);
  assert.deepEqual(await processesLike(new RegExp(longSleep)), []);
});

const run = () => node.runPod(node.podConfig());
const networkReady = async () => (await node.runtime("Status", {})).status.conditions[1];

for (const { how, script, says, is } of [...faults, rubbish]) {
  test(`ADD: a plugin that ${how} fails the pod, and all is taken back`, async () => {
    probe.behave("ADD", script);
    await assert.rejects(run(), { code: is, details: says });
    assert.deepEqual(changes(clean, await place.state()), []);
  });
}

test("ADD: a client that gives up while a plugin hangs leaves nothing, and no process", async () => {
  const abort = new AbortController();
  probe.behave("ADD", `sleep ${longSleep}`);
  const request = node.runtime("RunPodSandbox", { config: node.podConfig() }, abort.signal);
  await eventually("the plugin runs", async () => (await processesLike(new RegExp(longSleep))).length > 0);
  abort.abort();
  await assert.rejects(request, { code: code.CANCELLED });
  await eventually("nothing is left", async () => changes(clean, await place.state()).length === 0);
});

for (const { how, script, says, is } of faults) {
  test(`DEL: a pod whose plugin ${how} is stopped with an error, and with success once it does its work`, async () => {
    const pod = await run();
    probe.behave("DEL", script);
    await assert.rejects(node.runtime("StopPodSandbox", { pod_sandbox_id: pod }), {
      code: is,
      details: says,
    });
    assert.equal((await node.podStatus(pod)).state, "SANDBOX_NOTREADY");
    await assert.rejects(node.runtime("RemovePodSandbox", { pod_sandbox_id: pod }), {
      code: is,
      details: says,
    });
    // The address stays the pod's, as long as something may lead to it.
    assert.match(changes(clean, await place.state()).join("\n"), /\+ leases: 10\.93\.0\.\d+/);
    probe.behave("DEL");
    await node.removePod(pod);
    assert.deepEqual(changes(clean, await place.state()), []);
  });
}

test("ADD and DEL: a pod that cannot be taken back is seen as not ready, and removed later", async () => {
  probe.behave("ADD", `echo '{"code":100,"msg":"no ADD"}'; exit 1`);
  probe.behave("DEL", `echo '{"code":100,"msg":"no DEL"}'; exit 1`);
  await assert.rejects(run(), { details: /no ADD/ });
  const { items } = await node.runtime("ListPodSandbox", {});
  assert.deepEqual(
    items.map(({ state }: { state: string }) => state),
    ["SANDBOX_NOTREADY"],
  );
  // The plugin that did its work has taken it back.
  assert.doesNotMatch(changes(clean, await place.state()).join("\n"), /\+ (links|leases: 10\.)/);
  await assert.rejects(node.runtime("StopPodSandbox", { pod_sandbox_id: items[0].id }), {
    details: /no DEL/,
  });
  probe.behave("DEL");
  await node.removePod(items[0].id);
  assert.deepEqual(changes(clean, await place.state()), []);
});

for (const { how, script, says } of faults) {
  test(`CHECK: what a plugin that ${how} says is shown where a pod is inspected, and harms nothing`, async () => {
    const pod = await run();
    probe.behave("CHECK", script);
    const { status, info } = await node.runtime("PodSandboxStatus", { pod_sandbox_id: pod, verbose: true });
    assert.equal(status.state, "SANDBOX_READY");
    assert.match(info.networkCheck, says);
  });
}

for (const { how, script, says } of [...faults, rubbish]) {
  test(`VERSION: with a plugin that ${how} the network is not ready, for that reason, until it answers`, async () => {
    // A new file is asked anew.
    makeTestPlugin(place.bin, "probe");
    probe.behave("VERSION", script);
    await asUsual();
    await eventually("the network is not ready", async () => !(await networkReady()).status);
    const condition = await networkReady();
    assert.equal(condition.reason, "NetworkPluginNotReady");
    assert.match(condition.message, says);
    await assert.rejects(run(), { code: code.FAILED_PRECONDITION, details: says });
    probe.behave("VERSION");
    await eventually("the network is ready", async () => (await networkReady()).status);
  });
}

for (const { how, script, says } of faults) {
  test(`STATUS: while a plugin ${how} the network is not ready, for that reason`, async () => {
    await newest();
    await eventually("the new network is asked", async () => {
      await networkReady();
      return probe.calls("STATUS").length > 0;
    });
    assert.equal((await networkReady()).status, true);
    probe.behave("STATUS", script);
    const condition = await networkReady();
    assert.deepEqual([condition.status, condition.reason], [false, "NetworkPluginNotReady"]);
    assert.match(condition.message, says);
  });
}

for (const { how, script } of faults) {
  test(`GC: a server whose plugin ${how} serves all the same, and its pods stay`, async () => {
    await newest();
    await eventually("the new network is used", async () => (await networkReady()).status);
    const pod = await run();
    probe.behave("GC", script);
    const known = probe.calls("GC").length;
    const other = await startNode({ ...node.config, socketPath: join(node.directory, "other.sock") });
    try {
      const [call] = await eventually("the plugin was asked to collect", () => {
        const calls = probe.calls("GC").slice(known);
        return Promise.resolve(calls.length > 0 && calls);
      });
      assert.deepEqual(call?.input?.["cni.dev/valid-attachments"], [{ containerID: pod, ifname: "eth0" }]);
      assert.equal((await other.podStatus(pod)).state, "SANDBOX_READY");
    } finally {
      await other.close();
    }
  });
}
