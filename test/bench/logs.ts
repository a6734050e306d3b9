/**
 * Container logs beside `docker logs -f` to a file: the time until everything is in the files, the CPU for it, the
 * time from Docker's timestamp to a line's place in the file, and what silent containers cost.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { busybox, docker, startNode } from "../support/real-node.js";
import { usageOf } from "../support/processes.js";
import { spawnServer, type ServerProcess } from "../support/server-process.js";
import { describeMachine, median, printTable, quantile } from "./measure.js";

const mebibytes = 128;
const rounds = 2;
const line =
  "2024 INFO a line of a hundred bytes, as programs write them: GET /api/v1/things?page=7 took 12 ms";
const silent = 100;

let server: ServerProcess | undefined;
const node = await startNode(
  {},
  "v1",
  async (config) => (server = await spawnServer(config, { built: true })),
);
const ours = server!.pid;
const daemon = Number(await readFile(join(process.env["DOCKERSHIM_TEST_DIR"] ?? "", "docker.pid"), "utf8"));
const config = node.podConfig();
const pod = await node.runPod(config);
let count = 0;

/** One run of some writers, watched to the end of their files. */
interface Run {
  seconds: number;
  /** Seconds of CPU: the daemon's, and the follower's. */
  cpu: number;
}

const writerOf = (writers: number): string[] => {
  const bytes = Math.floor((mebibytes * 1024 * 1024) / writers);
  return ["sh", "-c", `yes '${line}' | head -c ${bytes}`];
};

/** @param cpuOf of the processes besides the daemon, asked at the end */
async function measure(work: () => Promise<void>, cpuOf: () => Promise<number>): Promise<Run> {
  const [daemonBefore, before] = [(await usageOf(daemon)).cpu, await cpuOf()];
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const cpu = (await usageOf(daemon)).cpu - daemonBefore + (await cpuOf()) - before;
  return { seconds, cpu };
}

async function runOurs(writers: number): Promise<Run> {
  const containers = await Promise.all(
    Array.from({ length: writers }, () =>
      node.create(pod, config, { command: writerOf(writers), log_path: `w${++count}.log` }),
    ),
  );
  const run = await measure(
    async () => {
      await Promise.all(
        containers.map(async (container_id) => {
          await node.runtime("StartContainer", { container_id });
          await docker().getContainer(container_id).wait();
          // A status says so only when the log is complete.
          await eventually(
            "it has ended",
            async () => (await node.status(container_id)).state === "CONTAINER_EXITED",
          );
        }),
      );
    },
    async () => (await usageOf(ours)).cpu,
  );
  for (const container_id of containers) await node.runtime("RemoveContainer", { container_id });
  return run;
}

async function runPeer(writers: number): Promise<Run> {
  const containers = await Promise.all(Array.from({ length: writers }, () => createPlain(writerOf(writers))));
  let cpu = 0;
  const run = await measure(
    async () => {
      await Promise.all(
        containers.map(async (container) => {
          await container.start();
          cpu += await follow(container.id, join(node.directory, "peer.log")).ended;
        }),
      );
    },
    () => Promise.resolve(cpu),
  );
  for (const container of containers) await container.remove({ force: true });
  return run;
}

/** A container without a pod and without limits to its log, as `docker run` makes it. */
const createPlain = (Cmd: string[]) =>
  docker().createContainer({
    Image: busybox,
    Cmd,
    HostConfig: { LogConfig: { Type: "json-file", Config: {} } },
  });

/** `docker logs -f` to a file; `ended` has the CPU that it took. */
function follow(id: string, path: string, options: string[] = []) {
  const out = openSync(path, "w");
  const args = ["-H", `unix://${node.config.dockerSocketPath}`, "logs", "-f", ...options, id];
  const child = spawn("docker", args, { stdio: ["ignore", out, "inherit"] });
  closeSync(out);
  let cpu = 0;
  const look = setInterval(() => {
    usageOf(child.pid ?? 0).then(
      (usage) => (cpu = usage.cpu),
      () => undefined,
    );
  }, 50);
  const ended = once(child, "exit").then(() => {
    clearInterval(look);
    return cpu;
  });
  return { ended };
}

// --- latency

const talker = ["sh", "-c", "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; sleep 0.01; done"];

/** Milliseconds from each line's timestamp, its first word, to the moment that it is read in the file. */
async function latencies(path: string, begin: () => Promise<unknown>): Promise<number[]> {
  closeSync(openSync(path, "a"));
  const input = openSync(path, "r");
  const buffer = Buffer.alloc(256 * 1024);
  const found: number[] = [];
  let rest = "";
  const read = (): void => {
    const now = Date.now();
    for (let length = readSync(input, buffer); length > 0; length = readSync(input, buffer)) {
      const lines = (rest + buffer.toString("latin1", 0, length)).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) found.push(now - Date.parse(text.slice(0, text.indexOf(" "))));
    }
  };
  const watcher = watch(path, read);
  await begin();
  await eventually("all lines are there", () => Promise.resolve(found.length >= 500));
  watcher.close();
  closeSync(input);
  // The first comes while everything is starting.
  return found.slice(20);
}

async function latencyOfOurs(): Promise<number[]> {
  const log_path = `w${++count}.log`;
  const container_id = await node.create(pod, config, { command: talker, log_path });
  return latencies(join(node.directory, "logs", log_path), () =>
    node.runtime("StartContainer", { container_id }),
  );
}

async function latencyOfPeer(): Promise<number[]> {
  const container = await createPlain(talker);
  const path = join(node.directory, "peer-latency.log");
  return latencies(path, async () => {
    await container.start();
    void follow(container.id, path, ["--timestamps"]).ended;
  });
}

// --- the table

const rows: string[][] = [];

for (const writers of [1, 50]) {
  const runs: { ours: Run[]; peer: Run[] } = { ours: [], peer: [] };
  for (let round = 0; round < rounds; round++) {
    runs.peer.push(await runPeer(writers));
    runs.ours.push(await runOurs(writers));
  }
  const [peer, own] = [runs.peer, runs.ours].map((list) => ({
    seconds: median(list.map(({ seconds }) => seconds)),
    cpu: median(list.map(({ cpu }) => cpu)),
  })) as [Run, Run];
  const speed = ({ seconds }: Run): string => `${Math.round(mebibytes / seconds)} MiB/s`;
  const effort = ({ cpu }: Run): string => `${((cpu * 1000) / mebibytes).toFixed(1)} ms`;
  const what = writers === 1 ? "1 writer" : `${writers} writers`;
  rows.push([
    `${what}, to the last line in the file`,
    speed(peer),
    speed(own),
    (peer.seconds / own.seconds).toFixed(2),
  ]);
  rows.push([
    `${what}, CPU for a MiB, dockerd's too`,
    effort(peer),
    effort(own),
    (peer.cpu / own.cpu).toFixed(2),
  ]);
}

const [peerLatency, ownLatency] = [await latencyOfPeer(), await latencyOfOurs()];
for (const share of [0.5, 0.99]) {
  const [peer, own] = [quantile(peerLatency, share), quantile(ownLatency, share)];
  rows.push([`line to file, p${share * 100}`, `${peer} ms`, `${own} ms`, ""]);
}

for (let made = 0; made < silent; made++) {
  const fields = { command: ["sleep", "1000"], log_path: `s${made}.log` };
  const container_id = await node.create(pod, config, fields);
  await node.runtime("StartContainer", { container_id });
}
await delay(5_000);
const idleFrom = (await usageOf(ours)).cpu;
await delay(30_000);
const idle = ((await usageOf(ours)).cpu - idleFrom) / 30;
rows.push([`${silent} silent containers`, "", `${(idle * 100).toFixed(2)} % of a core`, ""]);

console.log(`\n${await describeMachine(docker())}`);
console.log(
  `${mebibytes} MiB of lines of ${line.length} bytes, medians of ${rounds} rounds; ratios: larger is better`,
);
console.log(`server: ${Math.round((await usageOf(ours)).rss)} MiB resident\n`);
printTable(["", "`docker logs -f`", "dockershim", "ratio"], rows);
await node.close();
