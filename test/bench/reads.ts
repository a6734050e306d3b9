/** What a kubelet asks all the time, and what that costs. */
import type { CriClient } from "./cri-client.js";
import type { Pod } from "./pods.js";
import { cpuOf, engineOf, serverOf } from "./daemons.js";
import { usageOf } from "../support/processes.js";
import { interleave, timesRow } from "./timing.js";

/** A server, and the pods that it has. */
export interface Endpoint {
  name: string;
  socketPath: string;
  client: CriClient;
  pods: Pod[];
}

const effort = { times: { least: 7, most: 500 }, seconds: 15 };

/** One request each, or what belongs together. */
const reads: Record<string, (endpoint: Endpoint, round: number) => Promise<unknown>> = {
  Version: ({ client }) => client.send("Version", {}),
  Status: ({ client }) => client.send("Status", {}),
  ListPodSandbox: ({ client }) => client.send("ListPodSandbox", {}),
  ListContainers: ({ client }) => client.send("ListContainers", {}),
  PodSandboxStatus: ({ client, pods }, round) => sandboxStatus(client, pods[round % pods.length]!),
  ContainerStatus: ({ client, pods }, round) => containerStatus(client, pods[round % pods.length]!),
  "relist: both lists and all statuses": async ({ client, pods }) => {
    await lists(client);
    for (const pod of pods) {
      await sandboxStatus(client, pod);
      await containerStatus(client, pod);
    }
  },
  ListContainerStats: ({ client }) => client.send("ListContainerStats", {}),
  ListPodSandboxStats: ({ client }) => client.send("ListPodSandboxStats", {}),
};

const sandboxStatus = (client: CriClient, pod: Pod) =>
  client.send("PodSandboxStatus", { podSandboxId: pod.sandbox });
const containerStatus = (client: CriClient, pod: Pod) =>
  client.send("ContainerStatus", { containerId: pod.container });

async function lists(client: CriClient): Promise<void> {
  await client.send("ListPodSandbox", {});
  await client.send("ListContainers", {});
}

const warmUpSeconds = 6;

/**
 * As after some minutes of a kubelet's questions: a server lives for months, and what an engine that compiles while it
 * runs does in its first seconds is told by nobody's life. Each gets the same time.
 */
export async function warmUp(endpoints: Endpoint[]): Promise<void> {
  for (const endpoint of endpoints) {
    const end = performance.now() + warmUpSeconds * 1000;
    for (let round = 0; performance.now() < end; round++) {
      for (const what of [
        "Version",
        "ListPodSandbox",
        "ListContainers",
        "PodSandboxStatus",
        "ContainerStatus",
      ]) {
        await reads[what]!(endpoint, round);
      }
    }
  }
}

/** Whether a server shows exactly the pods that it should have: its times would say nothing otherwise. */
export async function showsAll({ client, pods }: Endpoint): Promise<boolean> {
  const { items } = await client.ask("ListPodSandbox", {});
  const { containers } = await client.ask("ListContainers", {});
  const { stats } = await client.ask("ListContainerStats", {});
  return [items, containers, stats].every((list: unknown[]) => list.length === pods.length);
}

/** Rows of p50 and p99, in milliseconds. */
export async function readRows(endpoints: Endpoint[], note: (text: string) => void): Promise<string[][]> {
  const names = endpoints.map(({ name }) => name);
  const rows: string[][] = [];
  for (const [what, read] of Object.entries(reads)) {
    const contestants = endpoints.map((endpoint) => {
      let round = 0;
      return [endpoint.name, () => read(endpoint, round++)] as const;
    });
    const times = await interleave(new Map(contestants), effort, (name, error) =>
      note(`${name}: no ${what}: ${String(error)}`),
    );
    rows.push(timesRow(what, names, times));
  }
  return rows;
}

/** A kubelet's seconds, in less time: what servers do by the clock counts less than in life. */
const polledSeconds = 40;
const pace = 250;
/** Before that, so that nobody is charged with what an engine still has to do for another. */
const settleMs = 3_000;
/** Once in turn and once in reverse. */
const passes = 2;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function poll(client: CriClient): Promise<void> {
  for (let second = 0; second < polledSeconds; second++) {
    const next = performance.now() + pace;
    await lists(client);
    if (second % 5 === 0) await client.send("Status", {});
    if (second % 10 === 0) await client.send("ListContainerStats", {});
    await sleep(next - performance.now());
  }
}

/**
 * Rows of CPU milliseconds for each second of a kubelet's polling, and of resident memory.
 * @param engine the socket of the engine that our pods are on
 */
export async function usageRows(endpoints: Endpoint[], engine: string): Promise<string[][]> {
  const daemons = await engineOf(engine);
  const subjects = await Promise.all(
    endpoints.map(async ({ socketPath, client, pods }) => {
      const server = await serverOf(socketPath);
      const others = pods === endpoints[0]?.pods ? daemons : [];
      return { client, server, others, whole: 0, own: 0 };
    }),
  );
  for (let pass = 0; pass < passes; pass++) {
    for (const subject of subjects) {
      const cpu = async () => [await cpuOf(subject.others), await cpuOf([subject.server])] as const;
      await sleep(settleMs);
      const [othersBefore, ownBefore] = await cpu();
      await poll(subject.client);
      const [others, own] = await cpu();
      subject.own += own - ownBefore;
      subject.whole += own - ownBefore + others - othersBefore;
    }
    subjects.reverse();
  }
  const memory = await Promise.all(subjects.map(async ({ server }) => (await usageOf(server)).rss));
  const each = (seconds: number): number => (seconds * 1000) / polledSeconds / passes;
  const row = (what: string, unit: string, values: number[]): string[] => [
    what,
    ...values.map((value, index) => {
      const text = `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
      return index === 0 ? text : `${text} (${(values[0]! / value).toFixed(2)})`;
    }),
  ];
  return [
    row(
      "CPU for a second of polling, engine included",
      "ms",
      subjects.map(({ whole }) => each(whole)),
    ),
    row(
      "of that, the server itself",
      "ms",
      subjects.map(({ own }) => each(own)),
    ),
    row("resident memory of the server", "MiB", memory),
  ];
}
