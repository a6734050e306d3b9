/** Pods' networks when something else goes wrong: dead sandboxes, absent servers, changed configurations, migrations. */
import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import type { Config } from "../../src/config.js";
import { NetworkNamespaces } from "../../src/network/cni/netns.js";
import { bridgePlugin, conflist, firewall, fullConf, portmap, putConf } from "../support/cni-confs.js";
import { makeCniPlace, type CniPlace } from "../support/cni-place.js";
import { eventually } from "../support/eventually.js";
import {
  addNodeAddresses,
  changes,
  nodeAddress,
  output,
  type NetworkState,
} from "../support/network-state.js";
import { ask, startEcho } from "../support/pod-net.js";
import { code, docker, startNode, type RealNode } from "../support/real-node.js";

let place: CniPlace;
let node: RealNode;
let clean: NetworkState;

const network = () => ({
  name: "pods",
  bridge: "cni-again",
  subnets: ["10.94.0.0/24"],
  leases: place.leases,
});
const asUsual = () => place.use(fullConf(network()));
const start = (overrides: Partial<Config> = {}) => {
  const { cni, rootDirectory } = place;
  return startNode({ networkPlugin: "cni", cni, rootDirectory, ...overrides });
};
async function restart(overrides: Partial<Config> = {}): Promise<void> {
  await node.leave();
  node = await start(overrides);
}

before(async () => {
  await addNodeAddresses();
  place = await makeCniPlace();
  await asUsual();
  node = await start();
  await node.removePod(await run());
  clean = await place.state();
});
after(async () => {
  await node.close();
  await place.remove();
});
afterEach(async () => {
  await asUsual();
  await node.removeAllPods();
  assert.deepEqual(changes(clean, await place.state()), []);
});

let port = 21000;
const run = (fields: object = {}) =>
  node.runPod(
    node.podConfig({
      port_mappings: [{ protocol: "TCP", container_port: 7, host_port: ++port }],
      annotations: { "kubernetes.io/egress-bandwidth": "10M" },
      ...fields,
    }),
  );
const networkReady = async () => (await node.runtime("Status", {})).status.conditions[1];
const nothingIsLeft = () =>
  eventually("nothing is left", async () => changes(clean, await place.state()).length === 0);

test("a sandbox that died by itself leaves nothing when it is stopped", async () => {
  const pod = await run();
  await docker().getContainer(pod).kill();
  await eventually("it is not ready", async () => (await node.podStatus(pod)).state === "SANDBOX_NOTREADY");
  assert.equal((await node.podStatus(pod)).network?.ip ?? "", "");
  await node.removePod(pod);
  assert.deepEqual(changes(clean, await place.state()), []);
});

test("a sandbox that somebody else removes leaves nothing", async () => {
  const pod = await run();
  await docker().getContainer(pod).remove({ force: true });
  await nothingIsLeft();
});

test("what was removed while the server was away is taken back when it comes", async () => {
  const pods = await Promise.all([run(), run(), run()]);
  await node.leave();
  for (const pod of pods.slice(0, 2)) await docker().getContainer(pod).remove({ force: true });
  node = await start();
  await eventually("one pod is left", async () => (await readdir(place.records)).length === 1);
  await eventually("and one namespace", async () => (await place.state())["pins"]?.length === 1);
  assert.equal((await node.podStatus(pods[2] ?? "")).state, "SANDBOX_READY");
});

test("pods keep their addresses and ports over a restart of the server", async () => {
  const pod = await run();
  const echo = await startEcho(pod, "pod", 7);
  try {
    const { network } = await node.podStatus(pod);
    assert.match(network.ip, /^10\.94\.0\.\d+$/);
    await restart();
    assert.deepEqual((await node.podStatus(pod)).network, network);
    assert.match(await ask(nodeAddress, port, "a"), /^pod heard a from /);
  } finally {
    echo.kill();
  }
});

test("pods outlive a restart with another network plugin, and leave nothing when they are stopped", async () => {
  const pod = await run();
  const { network } = await node.podStatus(pod);
  await restart({ networkPlugin: "bridge" });
  assert.deepEqual((await node.podStatus(pod)).network, network);
  await node.removePod(pod);
  assert.deepEqual(changes(clean, await place.state()), []);
  await restart();
});

test("another server on the same machine, with another engine, does not touch what is ours", async () => {
  const pod = await run();
  const [name = ""] = await readdir(place.records);
  const path = join(place.records, name);
  const text = await readFile(path, "utf8");
  const foreign = `${name.split("-")[0]}-${"f".repeat(64)}-eth0`;
  const other = text.replaceAll(pod, "f".repeat(64)).replace(/"engine":"[^"]*"/, '"engine":"another"');
  await writeFile(join(place.records, foreign), other);
  await restart();
  // The server's own pass comes after the first answers.
  await docker().getContainer(pod).remove({ force: true });
  await eventually("ours is gone", async () => !(await readdir(place.records)).includes(name));
  assert.deepEqual(await readdir(place.records), [foreign]);
  await rm(join(place.records, foreign));
  await restart();
});

test("a predecessor's pod has its address, and leaves nothing when it is stopped", async () => {
  const pod = await run();
  const { network } = await node.podStatus(pod);
  await node.leave();
  // As libcni writes it for a predecessor: the namespace is the process's, and of us nothing is known.
  const [name = ""] = await readdir(place.records);
  const path = join(place.records, name);
  const { dockershim: _, netns: __, ...record } = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify(record));
  await new NetworkNamespaces().unpin(pod);
  node = await start();
  assert.deepEqual((await node.podStatus(pod)).network, network);
  await place.use({ cniVersion: "1.0.0", name: "others", plugins: [{ type: "no-such-plugin" }] });
  await node.removePod(pod);
  assert.deepEqual(changes(clean, await place.state()), []);
});

test("the network is not ready, and says why, until a usable configuration comes", async () => {
  await rm(place.cni.confDirectory, { recursive: true });
  await eventually("it is not ready", async () => !(await networkReady()).status);
  assert.match((await networkReady()).message, /no CNI configuration: ENOENT.*net\.d/);
  await assert.rejects(run(), { code: code.FAILED_PRECONDITION, details: /no CNI configuration/ });
  // A pod on the host's network needs none.
  await node.runPod(
    node.podConfig({ linux: { security_context: { namespace_options: { network: "NODE" } } } }),
  );
  await putConf(place.cni.confDirectory, "05-first.conf", {
    cniVersion: "1.0.0",
    name: "first",
    type: "absent",
  });
  assert.match(
    (await networkReady()).message,
    /05-first\.conf: CNI plugin "absent" is not in .*\/usr\/lib\/cni/,
  );
  await asUsual();
  assert.equal((await networkReady()).status, true);
  await rm(join(place.cni.confDirectory, "05-first.conf"));
});

test("a configuration that changes is used for new pods, and old ones are taken back by theirs", async () => {
  const pod = await run();
  await place.use(
    conflist("others", [
      bridgePlugin({ ...network(), subnets: ["10.94.1.0/24"], bridge: "cni-new" }),
      firewall,
    ]),
  );
  const other = await eventually("a pod is on the new network", async () => {
    const found = await node.runPod(node.podConfig());
    if ((await node.podStatus(found)).network.ip.startsWith("10.94.1.")) return found;
    await node.removePod(found);
    return false;
  });
  await node.removePod(pod);
  await node.removePod(other);
  await output("ip", "link", "delete", "cni-new");
});

test("the pods' ranges that a kubelet has told are known after a restart of the server", async () => {
  const ranged = { ...network(), bridge: "cni-ranges", subnets: [] };
  await place.use(
    conflist("ranged", [{ ...bridgePlugin(ranged), capabilities: { ipRanges: true } }, portmap]),
  );
  const runtime_config = { network_config: { pod_cidr: "10.94.7.0/24" } };
  await node.runtime("UpdateRuntimeConfig", { runtime_config });
  await restart({ podCidrs: ["10.94.8.0/24"] });
  const pod = await run();
  assert.match((await node.podStatus(pod)).network.ip, /^10\.94\.7\./);
  await node.removePod(pod);
  await output("ip", "link", "delete", "cni-ranges");
  await rm(join(place.rootDirectory, "pod-cidrs.json"));
  await restart();
});
