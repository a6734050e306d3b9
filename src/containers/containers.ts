import { mkdir, stat } from "node:fs/promises";
import type { Engine } from "../docker/engine.js";
import { CriError, messageOf, throwIfAborted } from "../errors.js";
import type { HostFacts } from "../host/facts.js";
import type { AccountFiles } from "../images/account-files.js";
import type { Images } from "../images/images.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Log } from "../log.js";
import type { ContainerLogs } from "../logs/container-logs.js";
import { withRollback } from "../rollback.js";
import { createNamed } from "./create-named.js";
import { removeContainer, terminate } from "./end.js";
import { identify } from "./identify.js";
import type { Mount } from "./mounts.js";
import { requireRunning } from "./running.js";
import { readSeccomp } from "./seccomp-file.js";
import type { ContainerSpec } from "./spec.js";
import { toContainerOptions } from "./to-docker.js";

export interface ContainersDependencies {
  engine: Engine;
  inventory: Inventory;
  images: Pick<Images, "get">;
  accounts: Pick<AccountFiles, "of">;
  host: { facts(): Promise<HostFacts> };
  logs: ContainerLogs;
  log: Log;
}

/** The life of containers in their sandboxes. */
export class Containers {
  constructor(private readonly deps: ContainersDependencies) {}

  async create(sandboxId: string, spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const { engine, inventory, images, accounts, host, logs, log } = this.deps;
    const sandbox = await inventory.get("podsandbox", sandboxId);
    if (!sandbox.State.Running) {
      throw new CriError(
        "failedPrecondition",
        `pod sandbox ${sandbox.Id} is not ready: it is ${sandbox.State.Status}`,
      );
    }
    const { namespaces, seccomp: profile, identity: asked } = spec.security;
    if (namespaces.pid === "TARGET") await inventory.get("container", namespaces.target);
    const [facts, image, seccomp] = await Promise.all([
      host.facts(),
      images.get(spec.image),
      readSeccomp(profile),
    ]);
    const identity = await identify(accounts, asked, image, spec.image);
    const extras = { identity, seccomp, logDriver: logs.driver };
    const options = toContainerOptions(spec, sandbox, image, facts, extras);

    return withRollback(log, async (undo) => {
      await Promise.all(spec.mounts.map(makeSource));
      throwIfAborted(signal);
      const { id } = await createNamed(engine, options);
      undo("remove the container", () => engine.removeContainer(id, { force: true }));
      throwIfAborted(signal);
      inventory.touch(id, "container");
      return id;
    });
  }

  async start(id: string): Promise<void> {
    const { engine, inventory, logs } = this.deps;
    const container = await inventory.get("container", id);
    try {
      await logs.prepare(container);
      await engine.startContainer(container.Id);
      await logs.started(await engine.inspectContainer(container.Id));
    } finally {
      inventory.touch(container.Id, "container");
    }
  }

  /**
   * Idempotent, also for ids that never were.
   * @param graceSeconds between the stop signal (CRI's, else the image's) and SIGKILL; 0 kills at once
   */
  async stop(id: string, graceSeconds: number): Promise<void> {
    const { engine, inventory } = this.deps;
    const container = await inventory.find("container", id);
    if (container) await terminate(engine, inventory, container, graceSeconds);
  }

  /** Idempotent, also for ids that never were. CRI: a running container is forcibly removed. */
  async remove(id: string): Promise<void> {
    const { engine, inventory, logs } = this.deps;
    const container = await inventory.find("container", id);
    if (container) await removeContainer(engine, inventory, logs, container);
  }

  /**
   * Lets what follows go to the log's path anew, after whoever rotates logs has moved the old one away. CRI: an
   * error, and no new file, is the answer for a container that does not run.
   */
  async reopenLog(id: string): Promise<void> {
    await this.deps.logs.reopen(await this.#running(id));
  }

  /** Freezes every process of the container; frozen already is success. */
  pause(id: string): Promise<void> {
    return this.#setPaused(id, true);
  }

  /** Thaws it; not frozen is success. */
  unpause(id: string): Promise<void> {
    return this.#setPaused(id, false);
  }

  async #setPaused(id: string, wanted: boolean): Promise<void> {
    const { engine, inventory } = this.deps;
    const { Id, State } = await this.#running(id);
    if (State.Paused === wanted) return;
    inventory.touch(Id, "container");
    try {
      await (wanted ? engine.pauseContainer(Id) : engine.unpauseContainer(Id));
    } catch (error) {
      // Somebody else may have been faster; Docker calls that an error.
      if ((await this.#running(id)).State.Paused !== wanted) throw error;
    } finally {
      inventory.touch(Id, "container");
    }
  }

  async #running(id: string) {
    const container = await this.deps.inventory.get("container", id);
    requireRunning(container);
    return container;
  }
}

/** Docker's `Mounts` want an existing source; upstream runtimes make a directory where there is nothing. */
async function makeSource({ hostPath }: Mount): Promise<void> {
  const there = await stat(hostPath).catch(() => undefined);
  if (there) return;
  await mkdir(hostPath, { recursive: true }).catch((error: unknown) => {
    throw new CriError("failedPrecondition", `mount source ${hostPath} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  });
}
