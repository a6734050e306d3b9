/** How soon a server tells what another client of Docker has done. */
import type Docker from "dockerode";
import type { Endpoint } from "./reads.js";
import { timesRow } from "./timing.js";

const changes = 20;

/**
 * A row of milliseconds from Docker's answer to a limit's change by `docker update` to the first status that tells it.
 * Servers that do not run on this engine, or do not tell limits, have none.
 */
export async function outsideChangeRow(endpoints: Endpoint[], docker: Docker): Promise<string[]> {
  const times = new Map<string, number[]>();
  for (const { name, client, pods } of endpoints) {
    const { container } = pods[0]!;
    const sharesOf = async (): Promise<string | undefined> =>
      (await client.ask("ContainerStatus", { containerId: container })).status.resources?.linux?.cpuShares;
    if (!(await sharesOf()) || pods !== endpoints[0]!.pods) continue;
    const taken: number[] = [];
    for (let change = 0; change < changes; change++) {
      const CpuShares = 100 + change;
      await docker.getContainer(container).update({ CpuShares });
      const begun = performance.now();
      while ((await sharesOf()) !== String(CpuShares)) continue;
      taken.push(performance.now() - begun);
    }
    times.set(name, taken);
  }
  return timesRow(
    "change by another client of Docker, until a status tells it",
    endpoints.map(({ name }) => name),
    times,
  );
}
