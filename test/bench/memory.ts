/** Whether resident memory stays what it is while a kubelet asks and asks. */
import type { OwnServer } from "./own-server.js";
import type { Pod } from "./pods.js";

const rpcs = 20_000;
const readings = 4;

/** A hundred requests at a time: a few lists and statistics among many statuses. */
const batch: string[] = [
  ...Array<string>(5).fill("ListPodSandbox"),
  ...Array<string>(5).fill("ListContainers"),
  "ListContainerStats",
  "Status",
  ...Array<string>(44).fill("PodSandboxStatus"),
  ...Array<string>(44).fill("ContainerStatus"),
];

/** Rows of mebibytes, from the start on. */
export async function memoryRows(server: OwnServer, pods: Pod[]): Promise<string[][]> {
  // The first of each, without which a server has nothing in memory.
  for (const method of new Set(batch)) await server.client.send(method, requestFor(method, pods[0]!));
  const rows = [["resident memory after the start", `${(await server.rss()).toFixed(0)} MiB`]];
  let sent = 0;
  for (let reading = 1; reading <= readings; reading++) {
    for (; sent < (rpcs / readings) * reading; sent++) {
      const method = batch[sent % batch.length]!;
      await server.client.send(method, requestFor(method, pods[sent % pods.length]!));
    }
    rows.push([`after ${sent} RPCs`, `${(await server.rss()).toFixed(0)} MiB`]);
  }
  return rows;
}

const requestFor = (method: string, { sandbox, container }: Pod): object =>
  method === "PodSandboxStatus"
    ? { podSandboxId: sandbox }
    : method === "ContainerStatus"
      ? { containerId: container }
      : {};
