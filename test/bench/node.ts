/**
 * A full node: what a kubelet asks of it all the time, a pod's life, and what the server needs for that, beside
 * other CRI servers and beside the raw Docker calls. Arguments are those of scripts/bench.
 */
import { join } from "node:path";
import { eventually } from "../support/eventually.js";
import { busybox, docker, dockerSocket } from "../support/real-node.js";
import { countingProxy } from "./counting-proxy.js";
import { criClient } from "./cri-client.js";
import { callRows } from "./docker-calls.js";
import { criLife, lifecycleRows, type Life } from "./lifecycle.js";
import { describeMachine, printTable } from "./measure.js";
import { memoryRows } from "./memory.js";
import { outsideChangeRow } from "./outside-changes.js";
import { parseOptions } from "./options.js";
import { ownDirectory, startRows } from "./own-server.js";
import { growTo, makePod } from "./pods.js";
import { rawDocker, rawLife } from "./raw-docker.js";
import { showsAll, readRows, usageRows, warmUp, type Endpoint } from "./reads.js";

const options = parseOptions(process.argv.slice(2));
const testDirectory = process.env["DOCKERSHIM_TEST_DIR"] ?? "";
const logDirectory = join(testDirectory, "bench-logs");
const begun = performance.now();
const progress = (text: string): void =>
  console.error(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s: ${text}`);

const own = await ownDirectory();
let server = await own.start();
const ours: Endpoint = { name: "dockershim", socketPath: own.socketPath, client: server.client, pods: [] };
const peers = options.peers.map((peer): Endpoint => ({
  ...peer,
  client: criClient(peer.socketPath),
  pods: [],
}));
const endpoints = [ours, ...peers];
for (const { name, client } of endpoints) {
  await client.ask("PullImage", { image: { image: busybox } });
  const { items } = await client.ask("ListPodSandbox", {});
  if (items.length > 0) throw new Error(`${name} has pods already; an empty node is needed`);
}
const versions = await Promise.all(
  endpoints.map(async ({ name, client }) => {
    const { runtimeName, runtimeVersion } = await client.ask("Version", {});
    return `${name}: ${runtimeName} ${runtimeVersion}`;
  }),
);
console.log(`${await describeMachine(docker())}; ${versions.join("; ")}`);
console.log(
  "milliseconds as p50 / p99; in brackets what ours is to that column's p50 or value, smaller is better",
);

// A server on our engine shows our pods: it needs none of its own, and both are asked for the same.
ours.pods.push(await makePod(ours.client, logDirectory));
for (const peer of peers) {
  const { items } = await peer.client.ask("ListPodSandbox", {});
  if (items.length > 0) peer.pods = ours.pods;
}
const owners = endpoints.filter((endpoint) => endpoint === ours || endpoint.pods !== ours.pods);

for (const [index, count] of options.pods.entries()) {
  await measureReads(count);
  if (index === 0) await measureLives(count);
}
await measureOurs();
for (const { client } of peers) client.close();
await own.remove();
progress("done");

async function measureReads(count: number): Promise<void> {
  for (const { name, client, pods } of owners) {
    progress(`${name}: growing to ${count} pods`);
    await growTo(count, pods, client, logDirectory);
  }
  // Statistics of new containers may take a server a moment.
  for (const endpoint of endpoints)
    await eventually(`${endpoint.name} shows its pods`, () => showsAll(endpoint));
  progress("warming up");
  await warmUp(endpoints);
  progress("reads");
  const notes: string[] = [];
  const reads = await readRows(endpoints, (note) => notes.push(note));
  progress("polling");
  const usage = await usageRows(endpoints, dockerSocket());
  const outside = await outsideChangeRow(endpoints, docker());
  console.log("");
  printTable([`${count} pods`, ...endpoints.map(({ name }) => name)], [...reads, outside, ...usage]);
  for (const note of notes) console.log(note);
}

async function measureLives(count: number): Promise<void> {
  progress("lifecycle");
  const raw = rawDocker(dockerSocket());
  const contestants = new Map<string, () => Promise<Life>>([
    [ours.name, () => criLife(ours.client, logDirectory)],
    ["raw Docker", await rawLife(raw, ours.pods[0]!)],
    ...peers.map(({ name, client }) => [name, () => criLife(client, logDirectory)] as const),
  ]);
  const rows = await lifecycleRows(contestants);
  raw.close();
  console.log("");
  printTable([`one pod more than ${count}`, ...contestants.keys()], rows);
}

/** What needs other starts of our server than the one so far. */
async function measureOurs(): Promise<void> {
  await server.stop();
  progress("Docker calls");
  const proxySocket = join(testDirectory, "counted-docker.sock");
  const proxy = await countingProxy(proxySocket, dockerSocket());
  server = await own.start({ dockerSocketPath: proxySocket });
  const calls = await callRows(server.client, ours.pods, proxy, logDirectory);
  await server.stop();
  await proxy.close();
  console.log("");
  printTable(["RPC", "Docker calls", ""], calls);

  progress("starts");
  const starts = await startRows(() => own.start(), ours.pods.length);
  progress("memory");
  server = await own.start();
  const memory = await memoryRows(server, ours.pods);
  await server.stop();
  console.log("");
  printTable([`dockershim with ${ours.pods.length} pods`, ""], [...starts, ...memory]);
}
