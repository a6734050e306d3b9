/** For what can only be done to a container that runs (pure). */
import type { ContainerInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";

/** @throws CriError failedPrecondition, with what it is instead */
export function requireRunning({ Id, State }: Pick<ContainerInspect, "Id" | "State">): void {
  if (State.Running) return;
  throw new CriError("failedPrecondition", `container ${Id} is not running: it is ${State.Status}`);
}
