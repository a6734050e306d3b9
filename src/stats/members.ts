/** Which containers belong to which pod (pure). */
import type { ContainerInspect } from "../docker/engine.js";
import { sandboxIdLabel } from "../kube/labels.js";

export type Members = (sandboxId: string) => ContainerInspect[];

/** One pass over all containers, however many pods are asked for. */
export function membersOf(containers: readonly ContainerInspect[]): Members {
  const bySandbox = new Map<string, ContainerInspect[]>();
  for (const container of containers) {
    const id = container.Config.Labels[sandboxIdLabel] ?? "";
    const members = bySandbox.get(id);
    if (members) members.push(container);
    else bySandbox.set(id, [container]);
  }
  return (sandboxId) => bySandbox.get(sandboxId) ?? [];
}
