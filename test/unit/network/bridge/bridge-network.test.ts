import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { CriError, type ErrorKind } from "../../../../src/errors.js";
import { sandboxLabels } from "../../../../src/kube/labels.js";
import { BridgeNetwork } from "../../../../src/network/bridge/bridge-network.js";
import type { NetworkRequest } from "../../../../src/network/pod-network.js";
import { recordingLog } from "../../../support/builders.js";
import { FakeEngine } from "../../../support/fake-engine.js";
import { refusal } from "../../../support/fake-refusal.js";
import { makeHost, type FakeHost } from "./fake-host.js";

const limited = { "kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "20M" };
const never = new AbortController().signal;

let directory: string;
let engine: FakeEngine;
let host: FakeHost;
let log: ReturnType<typeof recordingLog>;
let count = 0;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dockershim-bridge."));
  engine = new FakeEngine(join(directory, "docker"));
  engine.images.add("pause");
  host = await makeHost();
  log = recordingLog();
});
afterEach(async () => {
  await host.close();
  await rm(directory, { recursive: true, force: true });
});

const make = ({ podCidrs = [], mtu }: { podCidrs?: string[]; mtu?: number } = {}) =>
  new BridgeNetwork({ engine, podCidrs, mtu, log, shaper: host.shaper });

const request = (fields: Partial<NetworkRequest> = {}): NetworkRequest => ({
  metadata: { name: "web", namespace: "default", uid: "u-1" },
  annotations: {},
  ports: [],
  dns: undefined,
  ...fields,
});

const rejects = (action: Promise<unknown>, kind: ErrorKind, message: RegExp) =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof CriError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  });

/** A pod's pause container, created and started as pods.ts does. */
function startSandbox(mode = "dockershim", annotations = {}): string {
  const { id } = engine.containers.create({
    name: `k8s_POD_${++count}`,
    Image: "pause",
    Labels: sandboxLabels({}, annotations),
    HostConfig: { NetworkMode: mode },
  });
  engine.containers.start(id);
  return id;
}
const sandbox = (id: string) => engine.containers.inspect(id);
const processOf = (id: string) => ({ id, pid: sandbox(id).State.Pid });
const network = () => engine.networks.inspect("dockershim");
const subnets = () => (network().IPAM.Config ?? []).map(({ Subnet }) => Subnet);
const made = () => engine.calls.filter(({ method }) => method === "createNetwork").length;
const warnings = () => log.entries.filter(({ level }) => level === "warn").length;

test("a pod is planned onto the network of ours, with the ports that Docker publishes", async () => {
  const ports = [{ protocol: "tcp", containerPort: 80, hostPort: 8080, hostIp: "" } as const];
  assert.deepEqual(await make().plan(request({ ports })), { mode: "dockershim", ports });
  assert.equal(network().Labels?.["io.kubernetes.docker.type"], "podnetwork");
});

test("nothing is made before it is needed", async () => {
  const bridge = make();
  assert.deepEqual(await bridge.status(), { ready: true, reason: "", message: "" });
  await bridge.setPodCidrs([]);
  assert.deepEqual(engine.networks.names, []);
});

test("a daemon that finds IPv6 gives both; one that does not gives IPv4", async () => {
  await make().plan(request());
  assert.equal(network().EnableIPv6, true);
  engine.networks.remove("dockershim");
  engine.networks.findsIPv6 = false;
  await make().plan(request());
  assert.equal(network().EnableIPv6, false);
});

test("many pods at once make one network", async () => {
  const bridge = make();
  await Promise.all(Array.from({ length: 50 }, () => bridge.plan(request())));
  assert.equal(made(), 1);
});

test("a network that somebody removed is made again", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  await bridge.plan(request());
  engine.networks.remove("dockershim");
  await bridge.plan(request());
  assert.deepEqual(subnets(), ["10.1.0.0/24"]);
});

test("two servers at once make one network, also when Docker shows it late", async () => {
  const [one, other] = [make(), make()];
  const held = engine.hold("createNetwork");
  const first = one.plan(request());
  await held.reached;
  await other.plan(request());
  engine.fail("inspectNetwork", refusal(404, "network dockershim not found"), 2);
  held.release();
  await first;
  assert.deepEqual(engine.networks.names, ["dockershim"]);
});

test("a network that is there serves when nothing is asked for", async () => {
  await make({ podCidrs: ["10.1.0.0/24"], mtu: 1400 }).plan(request());
  await make().plan(request());
  assert.deepEqual(subnets(), ["10.1.0.0/24"]);
});

for (const [title, asked] of [
  ["range", { podCidrs: ["10.2.0.0/24"] }],
  ["MTU", { mtu: 1400 }],
] as const) {
  test(`another ${title}: an unused network is made anew`, async () => {
    await make({ podCidrs: ["10.1.0.0/24"] }).plan(request());
    const { Id } = network();
    await make({ ...asked, podCidrs: [...("podCidrs" in asked ? asked.podCidrs : [])] }).plan(request());
    assert.notEqual(network().Id, Id);
    assert.equal(warnings(), 0);
  });

  test(`another ${title}: a network with pods is kept, which is told once`, async () => {
    await make({ podCidrs: ["10.1.0.0/24"] }).plan(request());
    const { Id } = network();
    const pod = startSandbox();
    const bridge = make({ ...asked, podCidrs: [...("podCidrs" in asked ? asked.podCidrs : [])] });
    for (let pods = 0; pods < 3; pods++) await bridge.plan(request());
    assert.equal(network().Id, Id);
    assert.equal(warnings(), 1);
    engine.containers.stop(pod, 0);
    await bridge.plan(request());
    assert.notEqual(network().Id, Id);
  });
}

test("a pod that comes at the last moment keeps its network", async () => {
  await make({ podCidrs: ["10.1.0.0/24"] }).plan(request());
  const held = engine.hold("removeNetwork");
  const changing = make().setPodCidrs(["10.2.0.0/24"]);
  await held.reached;
  startSandbox();
  held.release();
  await rejects(changing, "failedPrecondition", /^pods use 10\.1\.0\.0\/24/);
});

test("ranges that the client tells are in effect at once, and twice is as good as once", async () => {
  const bridge = make();
  await bridge.plan(request());
  await bridge.setPodCidrs(["10.1.0.0/24", "fd00::/64"]);
  const { Id } = network();
  assert.deepEqual(subnets(), ["10.1.0.0/24", "fd00::/64"]);
  startSandbox();
  await bridge.setPodCidrs(["fd00::1/64", "10.1.0.7/24"]);
  await bridge.setPodCidrs([]);
  assert.equal(network().Id, Id);
  engine.containers.remove(engine.containers.names[0] ?? "", { force: true });
  engine.networks.remove("dockershim");
  await bridge.plan(request());
  assert.deepEqual(subnets(), ["10.1.0.0/24", "fd00::/64"].reverse());
});

test("ranges that pods are in the way of are refused, and those in use are named", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  await bridge.plan(request());
  startSandbox();
  const message =
    "pods use 10.1.0.0/24 of the Docker network dockershim, so it cannot be changed to 10.2.0.0/24 and fd00::/64";
  await rejects(
    bridge.setPodCidrs(["10.2.0.0/24", "fd00::/64"]),
    "failedPrecondition",
    RegExp(`^${message}$`),
  );
  await bridge.plan(request());
  assert.equal(warnings(), 0);
});

test("ranges in use are not refused for another MTU", async () => {
  await make({ podCidrs: ["10.1.0.0/24"] }).plan(request());
  startSandbox();
  await make({ mtu: 1400 }).setPodCidrs(["10.1.0.0/24"]);
});

test("a range that another network has is refused with Docker's words, and status tells until it is free", async () => {
  engine.networks.create({ Name: "other", IPAM: { Driver: "default", Config: [{ Subnet: "10.1.0.0/24" }] } });
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  const words = /^the Docker network dockershim cannot be made: .*Pool overlaps with other one/;
  await rejects(bridge.plan(request()), "failedPrecondition", words);
  const { ready, reason, message } = await bridge.status();
  assert.deepEqual([ready, reason], [false, "NetworkNotReady"]);
  assert.match(message, words);
  engine.networks.remove("other");
  assert.equal((await bridge.status()).ready, true);
  await bridge.plan(request());
});

test("a range that cannot be had leaves the one before in effect", async () => {
  engine.networks.create({ Name: "other", IPAM: { Driver: "default", Config: [{ Subnet: "10.2.0.0/24" }] } });
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  await bridge.plan(request());
  await rejects(bridge.setPodCidrs(["10.2.0.0/24"]), "failedPrecondition", /cannot be made/);
  await bridge.plan(request());
  assert.deepEqual(subnets(), ["10.1.0.0/24"]);
});

test("somebody else's network of that name is not touched", async () => {
  const { id } = engine.networks.create({ Name: "dockershim" });
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  const words = /^the Docker network dockershim was not made by this program/;
  await rejects(bridge.plan(request()), "failedPrecondition", words);
  await rejects(bridge.setPodCidrs(["10.2.0.0/24"]), "failedPrecondition", words);
  assert.match((await bridge.status()).message, words);
  assert.equal(network().Id, id);
});

test("while Docker is away no pod can be run, which status tells; later all is well", async () => {
  const bridge = make();
  engine.down();
  await rejects(bridge.plan(request()), "unavailable", /^cannot reach the Docker Engine/);
  await rejects(bridge.setPodCidrs(["10.1.0.0/24"]), "unavailable", /^cannot reach the Docker Engine/);
  const { ready, reason, message } = await bridge.status();
  assert.deepEqual([ready, reason], [false, "NetworkNotReady"]);
  assert.match(message, /^cannot reach the Docker Engine/);
  await bridge.keepOnly(new Set());
  engine.up();
  assert.equal((await bridge.status()).ready, true);
  await bridge.plan(request());
  assert.equal((await bridge.status()).ready, true);
});

test("status asks Docker once for as long as no network changes, and again while something is wrong", async () => {
  const bridge = make();
  const looks = () => engine.calls.filter(({ method }) => method === "inspectNetwork").length;
  for (let time = 0; time < 3; time++) assert.equal((await bridge.status()).ready, true);
  assert.equal(looks(), 1);
  const { id } = engine.networks.create({ Name: "dockershim" });
  bridge.changed();
  for (let time = 0; time < 3; time++) assert.match((await bridge.status()).message, /was not made by this/);
  assert.equal(looks(), 4);
  engine.networks.remove(id);
  for (let time = 0; time < 3; time++) assert.equal((await bridge.status()).ready, true);
  assert.equal(looks(), 5);
});

test("a look at the network that was under way when it changed does not count afterwards", async () => {
  const bridge = make();
  const held = engine.hold("inspectNetwork");
  const before = bridge.status();
  await held.reached;
  engine.networks.create({ Name: "dockershim" });
  bridge.changed();
  held.release();
  await before;
  assert.equal((await bridge.status()).ready, false);
});

test("a bandwidth that cannot be is refused before anything is made", async () => {
  const annotations = { "kubernetes.io/egress-bandwidth": "10 M" };
  await rejects(make().plan(request({ annotations })), "invalid", /kubernetes.io\/egress-bandwidth: "10 M"/);
  assert.deepEqual(engine.networks.names, []);
});

test("addresses are told IPv4 first", async () => {
  const bridge = make({ podCidrs: ["fd00::/64", "10.1.0.0/24"] });
  await bridge.plan(request());
  assert.deepEqual(bridge.addresses(sandbox(startSandbox())), ["10.1.0.2", "fd00::2"]);
});

/**
 * A pod whose addresses were asked for, and that something outside stopped, as well as one before it: Docker's
 * choice for it would be that one's.
 */
async function stopped(bridge: BridgeNetwork): Promise<{ id: string; former: string[] }> {
  await bridge.plan(request());
  const [before, id] = [startSandbox(), startSandbox()];
  const former = bridge.addresses(sandbox(id));
  for (const one of [before, id]) engine.containers.stop(one, 0);
  assert.deepEqual(bridge.addresses(sandbox(id)), []);
  return { id, former };
}
const restart = async (bridge: BridgeNetwork, id: string): Promise<string[]> => {
  const connect = await bridge.restart(sandbox(id));
  engine.containers.start(id);
  await connect(processOf(id));
  return bridge.addresses(sandbox(id));
};

test("a pod that is started again has its addresses again, every time", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24", "fd00::/64"] });
  const { id, former } = await stopped(bridge);
  assert.deepEqual(await restart(bridge, id), former);
  engine.containers.stop(id, 0);
  assert.deepEqual(await restart(bridge, id), former);
});

test("a pod gets other addresses where Docker gives no fixed ones", async () => {
  const bridge = make();
  const { id, former } = await stopped(bridge);
  assert.notDeepEqual(await restart(bridge, id), former);
});

test("a pod gets other addresses when another pod has its own", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  const { id, former } = await stopped(bridge);
  const thief = engine.containers.create({ Image: "pause", HostConfig: { NetworkMode: "dockershim" } }).id;
  engine.networks.connect("dockershim", sandbox(thief), { IPv4Address: former[0] ?? "" });
  engine.containers.start(thief);
  assert.notDeepEqual(await restart(bridge, id), former);
});

test("a pod whose network was made anew meanwhile is connected to the present one", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  await bridge.plan(request());
  const id = startSandbox();
  bridge.addresses(sandbox(id));
  engine.containers.stop(id, 0);
  await bridge.setPodCidrs(["10.2.0.0/24"]);
  assert.deepEqual(await restart(bridge, id), ["10.2.0.2"]);
  engine.containers.stop(id, 0);
  engine.networks.remove("dockershim");
  assert.deepEqual(await restart(bridge, id), ["10.2.0.2"]);
});

test("a pod that a failure left without a network is connected again", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  const { id, former } = await stopped(bridge);
  engine.fail("connectNetwork", refusal(500, "no"), 2);
  await rejects(restart(bridge, id), "internal", /no$/);
  assert.deepEqual(await restart(bridge, id), former);
});

test("addresses are forgotten with the pod", async () => {
  const bridge = make({ podCidrs: ["10.1.0.0/24"] });
  const one = await stopped(bridge);
  await bridge.tearDown(one.id);
  assert.notDeepEqual(await restart(bridge, one.id), one.former);
  const other = await stopped(bridge);
  await bridge.keepOnly(new Set([one.id]));
  assert.notDeepEqual(await restart(bridge, other.id), other.former);
});

for (const mode of ["bridge", "host"]) {
  test(`a pod with network mode ${mode} is started again as it is`, async () => {
    const bridge = make();
    const id = startSandbox(mode, limited);
    engine.containers.stop(id, 0);
    await restart(bridge, id);
    assert.deepEqual(engine.networks.names, []);
    assert.deepEqual(host.commands, []);
  });
}

/** The two ends of a pod's network, as Docker makes them. */
async function plug(id: string): Promise<void> {
  const index = 1000 + ++count;
  await host.addInterface(`veth${count}`, index, "dockershim0");
  await host.addProcess(sandbox(id).State.Pid, index);
}
const queueOf = (id: string): string => `dshim${id.slice(0, 10)}`;
const hasQueue = async (id: string): Promise<boolean> => (await host.names()).includes(queueOf(id));

test("a pod without annotations has no limits, and needs no commands", async () => {
  const bridge = make();
  await bridge.plan(request());
  await bridge.setUp(processOf(startSandbox()), request(), never);
  assert.deepEqual(host.commands, []);
});

test("a pod's limits live as long as it does, and come back when it is started again", async () => {
  const bridge = make();
  await bridge.plan(request({ annotations: limited }));
  const id = startSandbox("dockershim", limited);
  await plug(id);
  await bridge.setUp(processOf(id), request({ annotations: limited }), never);
  assert.ok(await hasQueue(id));
  engine.containers.stop(id, 0);
  const connect = await bridge.restart(sandbox(id));
  engine.containers.start(id);
  await plug(id);
  host.commands.length = 0;
  await connect(processOf(id));
  assert.ok(await hasQueue(id));
  assert.ok(host.commands.some((command) => command.includes(`veth${count} root tbf rate 10000000bit`)));
  assert.ok(host.commands.some((command) => command.includes(`${queueOf(id)} root tbf rate 20000000bit`)));
  await bridge.tearDown(id);
  assert.ok(!(await hasQueue(id)));
  await bridge.tearDown(id);
});

test("a pid that another process has now is not limited", async () => {
  const bridge = make();
  await bridge.plan(request());
  const id = startSandbox();
  await plug(id);
  const process = processOf(id);
  engine.containers.stop(id, 0);
  await rejects(
    bridge.setUp(process, request({ annotations: limited }), never),
    "failedPrecondition",
    /^the pod's process \d+ has gone$/,
  );
  assert.deepEqual(host.commands, []);
});

test("a client that has left gets no limits", async () => {
  const bridge = make();
  await bridge.plan(request());
  const id = startSandbox();
  await plug(id);
  const annotations = limited;
  await rejects(
    bridge.setUp(processOf(id), request({ annotations }), AbortSignal.abort()),
    "cancelled",
    /client/,
  );
  assert.deepEqual(host.commands, []);
});

test("queues of pods that have gone are removed, those of others and of pods just made are kept", async () => {
  const bridge = make();
  await bridge.plan(request());
  const [known, young, gone] = [startSandbox(), startSandbox(), startSandbox()] as const;
  for (const id of [known, young, gone]) await host.addInterface(queueOf(id), ++count);
  engine.containers.remove(gone, { force: true });
  await bridge.keepOnly(new Set([known]));
  assert.deepEqual(await Promise.all([known, young, gone].map(hasQueue)), [true, true, false]);
});

test("queues that cannot be removed are told to the log alone", async () => {
  const bridge = make();
  await host.addInterface("dshim0123456789", 5);
  host.failing = "ip";
  await bridge.keepOnly(new Set());
  assert.equal(warnings(), 1);
});

test("nothing is wrong with a running pod's network, and closing needs nothing", async () => {
  const bridge = make();
  await bridge.plan(request());
  assert.equal(await bridge.check(), undefined);
  await bridge.close();
});
