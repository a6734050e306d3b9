/** The pods' network on a real engine, without a server of ours: pods are its pause containers here. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { dockerodeEngine } from "../../src/docker/dockerode-engine.js";
import { CriError, ignore, type ErrorKind } from "../../src/errors.js";
import { sandboxLabels } from "../../src/kube/labels.js";
import { BridgeNetwork } from "../../src/network/bridge/bridge-network.js";
import type { NetworkRequest } from "../../src/network/pod-network.js";
import { recordingLog } from "../support/builders.js";
import { docker, dockerSocket } from "../support/real-node.js";
import { startTraffic, type Measured } from "../support/traffic.js";

const pause = "registry.k8s.io/pause:3.10";
const never = new AbortController().signal;
const ranges = ["10.201.0.0/24", "fd00:201::/64"];
const otherRanges = ["10.202.0.0/24", "fd00:202::/64"];

const engine = dockerodeEngine({ socketPath: dockerSocket(), requestTimeout: 60_000 });
const log = recordingLog();
const pods = new Set<string>();

const removeNetwork = () => engine.removeNetwork("dockershim").catch(ignore("notFound"));
const clean = async (): Promise<void> => {
  await Promise.all([...pods].map((id) => engine.removeContainer(id, { force: true })));
  pods.clear();
  await make().keepOnly(new Set());
  await removeNetwork();
};
before(removeNetwork);
afterEach(clean);
after(clean);

const make = (podCidrs: string[] = [], mtu?: number) => new BridgeNetwork({ engine, podCidrs, mtu, log });

const request = (annotations: Record<string, string> = {}): NetworkRequest => ({
  metadata: { name: "web", namespace: "default", uid: "u-1" },
  annotations,
  ports: [],
  dns: undefined,
});

async function startPod(bridge: BridgeNetwork, annotations: Record<string, string> = {}): Promise<string> {
  const { mode } = await bridge.plan(request(annotations));
  const { id } = await engine.createContainer({
    Image: pause,
    Labels: sandboxLabels({}, annotations),
    HostConfig: { NetworkMode: mode },
  });
  pods.add(id);
  await engine.startContainer(id);
  await bridge.setUp({ id, pid: await pidOf(id) }, request(annotations), never);
  return id;
}
async function restartPod(bridge: BridgeNetwork, id: string): Promise<void> {
  const connect = await bridge.restart(await engine.inspectContainer(id));
  await engine.startContainer(id);
  await connect({ id, pid: await pidOf(id) });
}
const pidOf = async (id: string): Promise<number> => (await engine.inspectContainer(id)).State.Pid;
const addressesOf = async (bridge: BridgeNetwork, id: string) =>
  bridge.addresses(await engine.inspectContainer(id));
const network = () => engine.inspectNetwork("dockershim");
const networksOfOurs = async () =>
  (await docker().listNetworks()).filter(({ Name }) => Name === "dockershim").length;
/** What the kernel says of the pod's interface. */
const interfaceFact = async (id: string, fact: string): Promise<string> =>
  (await readFile(`/proc/${await pidOf(id)}/root/sys/class/net/eth0/${fact}`, "utf8")).trim();
const queues = async () => (await readdir("/sys/class/net")).filter((name) => name.startsWith("dshim"));

const rejects = (action: Promise<unknown>, kind: ErrorKind, message: RegExp) =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof CriError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  });

test("pods get addresses of the ranges given, IPv4 first, and the MTU", async () => {
  const bridge = make([...ranges].reverse(), 1400);
  const id = await startPod(bridge);
  const [v4 = "", v6 = "", ...more] = await addressesOf(bridge, id);
  assert.match(v4, /^10\.201\.0\.\d+$/);
  assert.match(v6, /^fd00:201::/);
  assert.deepEqual(more, []);
  assert.equal(await interfaceFact(id, "mtu"), "1400");
  assert.ok((await readdir("/sys/class/net")).includes("dockershim0"));
});

test("without a range pods get addresses that Docker finds", async () => {
  const bridge = make();
  const [v4 = ""] = await addressesOf(bridge, await startPod(bridge));
  assert.match(v4, /^\d+\.\d+\.\d+\.\d+$/);
  assert.equal((await bridge.status()).ready, true);
});

test("many pods of two servers at once have one network", async () => {
  const servers = [make(ranges), make(ranges)];
  for (let round = 0; round < 3; round++) {
    await removeNetwork();
    await Promise.all(
      Array.from({ length: 10 }, () => servers.map((server) => server.plan(request()))).flat(),
    );
    assert.equal(await networksOfOurs(), 1);
  }
});

test("an unused network is made anew with other ranges; pods are not cut off from theirs", async () => {
  const bridge = make(ranges);
  await bridge.plan(request());
  await bridge.setPodCidrs(otherRanges);
  const pod = await startPod(bridge);
  assert.match((await addressesOf(bridge, pod))[0] ?? "", /^10\.202\./);
  await rejects(
    bridge.setPodCidrs(ranges),
    "failedPrecondition",
    /^pods use 10\.202\.0\.0\/24 and fd00:202::\/64 of the Docker network dockershim/,
  );
  await bridge.setPodCidrs(otherRanges);
  // Another server, as after a restart with another flag.
  log.entries.length = 0;
  const next = make(ranges);
  await next.plan(request());
  assert.equal(log.entries.filter(({ level }) => level === "warn").length, 1);
  assert.match((await addressesOf(bridge, pod))[0] ?? "", /^10\.202\./);
});

test("a network that is there is kept when no range is given", async () => {
  await make(ranges, 1400).plan(request());
  const { Id } = await network();
  await make().plan(request());
  assert.equal((await network()).Id, Id);
});

test("somebody else's network of that name is left alone", async () => {
  const { id } = await engine.createNetwork({ Name: "dockershim" });
  const bridge = make(ranges);
  await rejects(bridge.plan(request()), "failedPrecondition", /was not made by this program/);
  assert.equal((await bridge.status()).ready, false);
  assert.equal((await network()).Id, id);
});

test("a range that another network has is refused in Docker's words", async () => {
  const Config = [{ Subnet: "10.201.0.0/16" }];
  const { id } = await engine.createNetwork({ Name: "other", IPAM: { Driver: "default", Config } });
  try {
    await rejects(make(ranges).plan(request()), "failedPrecondition", /cannot be made: .*overlaps/);
  } finally {
    await engine.removeNetwork(id);
  }
});

test("pods that were stopped from outside have their addresses again, in whatever order they start", async () => {
  const bridge = make(ranges);
  const both = [await startPod(bridge), await startPod(bridge)];
  const former = new Map<string, string[]>();
  for (const pod of both) former.set(pod, await addressesOf(bridge, pod));
  for (let time = 0; time < 2; time++) {
    for (const pod of both) await engine.stopContainer(pod, 0);
    for (const pod of [...both].reverse()) {
      await restartPod(bridge, pod);
      assert.deepEqual(await addressesOf(bridge, pod), former.get(pod));
    }
  }
});

test("a pod gets other addresses where its own are taken, or Docker gives no fixed ones", async () => {
  for (const cidrs of [ranges, []]) {
    await clean();
    const bridge = make(cidrs);
    const pod = await startPod(bridge);
    const [former = ""] = await addressesOf(bridge, pod);
    await engine.stopContainer(pod, 0);
    const thief = await startPod(bridge);
    if (cidrs.length > 0) {
      await engine.stopContainer(thief, 0);
      await engine.disconnectNetwork("dockershim", thief);
      await engine.connectNetwork("dockershim", thief, { IPv4Address: former });
      await engine.startContainer(thief);
      assert.equal((await addressesOf(bridge, thief))[0], former);
    }
    await restartPod(bridge, pod);
    const [now = ""] = await addressesOf(bridge, pod);
    assert.match(now, /^\d+\.\d+\.\d+\.\d+$/);
    assert.notEqual(now, former);
  }
});

test("a stopped pod can be started again after its network was made anew", async () => {
  const bridge = make(ranges);
  const pod = await startPod(bridge);
  await addressesOf(bridge, pod);
  await engine.stopContainer(pod, 0);
  await bridge.setPodCidrs(otherRanges);
  await restartPod(bridge, pod);
  assert.match((await addressesOf(bridge, pod))[0] ?? "", /^10\.202\./);
});

/** In bits per second. */
const limit = 20e6;
const limited = { "kubernetes.io/ingress-bandwidth": "20M", "kubernetes.io/egress-bandwidth": "20M" };

/** Close to the limit; above it are the burst at the start, and what a machine at work does to the clock. */
function isLimited({ bytes, seconds }: Measured, what: string): void {
  const rate = (bytes * 8) / seconds;
  const most = (limit * seconds + 2 ** 21) * 1.25;
  const told = `${what}: ${(rate / 1e6).toFixed(1)} Mbit/s`;
  assert.ok(rate > limit / 3, told);
  assert.ok(bytes * 8 < most, told);
}

test("bandwidth annotations limit a pod both ways over IPv4 and IPv6, also after a restart, and no other pod", async () => {
  const bridge = make(ranges);
  const pod = await startPod(bridge, limited);
  const free = await startPod(bridge);
  const measure = async (id: string, look: (measured: Measured, what: string) => void) => {
    const traffic = await startTraffic(await pidOf(id), 1000);
    try {
      for (const address of await addressesOf(bridge, id)) {
        look(await traffic.into(address), `into ${address}`);
        look(await traffic.outOf(address), `out of ${address}`);
      }
    } finally {
      await traffic.close();
    }
  };
  await measure(pod, isLimited);
  await measure(free, ({ bytes, seconds }, what) => {
    assert.ok((bytes * 8) / seconds > 5 * limit, `${what}: ${bytes} bytes in ${seconds} s`);
  });
  assert.equal((await queues()).length, 1);
  await engine.stopContainer(pod, 0);
  await restartPod(bridge, pod);
  await measure(pod, isLimited);
  assert.equal((await queues()).length, 1);
  await bridge.tearDown(pod);
  assert.deepEqual(await queues(), []);
});

test("limits of a pod that was removed behind our back are cleaned up", async () => {
  const bridge = make();
  const [gone, kept] = [await startPod(bridge, limited), await startPod(bridge, limited)];
  assert.equal((await queues()).length, 2);
  await engine.removeContainer(gone, { force: true });
  pods.delete(gone);
  await bridge.keepOnly(new Set());
  assert.equal((await queues()).length, 1);
  await bridge.tearDown(kept);
});
