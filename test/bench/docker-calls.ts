/** Which calls to Docker an RPC makes, itself or by the events that it causes. */
import { setTimeout as delay } from "node:timers/promises";
import type { CountingProxy } from "./counting-proxy.js";
import type { CriClient } from "./cri-client.js";
import { criLife, type Life } from "./lifecycle.js";
import type { Pod } from "./pods.js";

/** Milliseconds without a call, after which an RPC is taken to have caused no more. */
const quiet = 300;

/** @param proxy is what the server has for an engine; it has one pod at least. @returns rows: RPC, number, calls */
export async function callRows(
  client: CriClient,
  pods: Pod[],
  proxy: CountingProxy,
  logDirectory: string,
): Promise<string[][]> {
  const [pod] = pods as [Pod];
  // The first time, things may be asked that are known from then on, of an image, say.
  for (const [, work] of await steps(client, pod, logDirectory)) await work();
  await settled(proxy);

  const rows: string[][] = [];
  for (const [what, work] of await steps(client, pod, logDirectory)) {
    await work();
    const calls = await settled(proxy);
    rows.push([what, String(calls.length), summary(calls)]);
  }
  return rows;
}

type Step = [rpc: string, work: () => Promise<unknown>];

/** Every read of a pod that is there, and a new one's life. */
async function steps(client: CriClient, pod: Pod, logDirectory: string): Promise<Step[]> {
  const plain = (method: string, request: object = {}): Step => [method, () => client.send(method, request)];
  const life = Object.entries(await criLife(client, logDirectory)) as [string, Life["ExecSync"]][];
  return [
    plain("Version"),
    plain("Status"),
    plain("ListPodSandbox"),
    plain("ListContainers"),
    plain("PodSandboxStatus", { podSandboxId: pod.sandbox }),
    plain("ContainerStatus", { containerId: pod.container }),
    plain("ListContainerStats"),
    plain("ListPodSandboxStats"),
    ...life.map(([rpc, work]): Step => [rpc, () => work(["true"])]),
  ];
}

async function settled(proxy: CountingProxy): Promise<string[]> {
  const calls: string[] = [];
  for (;;) {
    await delay(quiet);
    const more = proxy.taken();
    if (more.length === 0) return calls;
    calls.push(...more);
  }
}

/** "GET /a, 2 × GET /b" */
function summary(calls: string[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(call, (counts.get(call) ?? 0) + 1);
  return [...counts].map(([call, count]) => (count > 1 ? `${count} × ${call}` : call)).join(", ");
}
