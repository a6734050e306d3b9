/** How containers end: shared by containers themselves and by the pods that end with them. */
import type { ContainerInspect, Engine } from "../docker/engine.js";
import { ignore } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import { kindOf } from "../kube/labels.js";
import type { ContainerLogs } from "../logs/container-logs.js";

type EndingEngine = Pick<Engine, "stopContainer" | "unpauseContainer" | "removeContainer">;
type Seen = Pick<Inventory, "touch" | "forget">;

/**
 * Stops a container, running or paused; gone or stopped already is success, as CRI promises.
 * @param graceSeconds between the stop signal and SIGKILL; 0 kills at once
 */
export async function terminate(
  engine: EndingEngine,
  inventory: Seen,
  container: ContainerInspect,
  graceSeconds: number,
): Promise<void> {
  if (!container.State.Running) return;
  try {
    // A frozen process sees no signal but SIGKILL, and not even that on every kernel. Where it cannot be thawed
    // it has been already (Docker says 500 then), or the stop says what is wrong.
    if (container.State.Paused) await engine.unpauseContainer(container.Id).catch(() => undefined);
    await engine.stopContainer(container.Id, graceSeconds).catch(ignore("notFound"));
  } finally {
    inventory.touch(container.Id, kindOf(container.Config.Labels) ?? "container");
  }
}

/** Removes a container, running or not, and its log; gone already is success. */
export async function removeContainer(
  engine: EndingEngine,
  inventory: Seen,
  logs: Pick<ContainerLogs, "removed">,
  container: ContainerInspect,
): Promise<void> {
  await engine.removeContainer(container.Id, { force: true }).catch(ignore("notFound"));
  inventory.forget(container.Id);
  await logs.removed(container);
}
