import { randomBytes } from "node:crypto";
import type { ContainerCreateOptions } from "dockerode";
import { CriError, isKind } from "../errors.js";
import { kindOf } from "../kube/labels.js";
import { withSuffix } from "../kube/names.js";
import type { Engine } from "../docker/engine.js";
import { statusOf } from "../docker/errors.js";

/**
 * Creates a container whose name may be held by a leftover of an earlier try. The name is what makes CRI's
 * creation idempotent, so:
 * - held by a running container, or by one that is not a pod's: `alreadyExists`, and nothing is removed
 * - held by a dead one of ours: that is removed, and the creation tried again
 * - held by one that Docker cannot find any more: created under the name with a random seventh part
 *
 * The request's signal is not passed on: a creation that is broken off may still happen.
 */
export async function createNamed(
  engine: Pick<Engine, "createContainer" | "inspectContainer" | "removeContainer">,
  options: ContainerCreateOptions & { name: string },
): Promise<{ id: string }> {
  try {
    return await engine.createContainer(options);
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    const removed = await removeLeftover(engine, options.name);
    const name = removed ? options.name : withSuffix(options.name, randomBytes(4).toString("hex"));
    return await engine.createContainer({ ...options, name });
  }
}

/** @returns false when there is nothing under that name, although Docker says that it is taken */
async function removeLeftover(
  engine: Pick<Engine, "inspectContainer" | "removeContainer">,
  name: string,
): Promise<boolean> {
  try {
    const holder = await engine.inspectContainer(name);
    if (holder.State.Running || !kindOf(holder.Config.Labels)) {
      throw new CriError("alreadyExists", `the name ${name} is held by container ${holder.Id}`);
    }
    await engine.removeContainer(holder.Id, { force: false });
    return true;
  } catch (error) {
    if (isKind(error, "notFound")) return false;
    throw error;
  }
}
