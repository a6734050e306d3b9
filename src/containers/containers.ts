import { mkdir, stat } from "node:fs/promises";
import type { ContainerInspect, Engine } from "../docker/engine.js";
import { CriError, messageOf, throwIfAborted } from "../errors.js";
import type { LinuxContainerResources__Output } from "../generated/runtime/v1/LinuxContainerResources.js";
import type { HostFacts } from "../host/facts.js";
import type { AccountFiles } from "../images/account-files.js";
import type { Images } from "../images/images.js";
import type { Inventory } from "../inventory/inventory.js";
import { fromMountsLabel } from "../kube/mount-records.js";
import { toCgroupFiles } from "../linux/cgroup-files.js";
import type { Log } from "../log.js";
import type { ContainerLogs } from "../logs/container-logs.js";
import type { PreparedMounts } from "../mounts/prepared-mounts.js";
import { withRollback } from "../rollback.js";
import { createNamed } from "./create-named.js";
import { removeContainer, terminate } from "./end.js";
import type { ExtraResources, ExtraResourcesStore } from "./extra-resources.js";
import type { Kernel } from "./kernel.js";
import { identify } from "./identify.js";
import type { Mount } from "./mounts.js";
import { toExtra, toUpdate } from "./resources.js";
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
  extras: ExtraResourcesStore;
  kernel: Kernel;
  mounts: Pick<PreparedMounts, "newFolder" | "during">;
  log: Log;
}

/** The life of containers in their sandboxes. */
export class Containers {
  constructor(private readonly deps: ContainersDependencies) {}

  async create(sandboxId: string, spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const { engine, inventory, images, accounts, host, logs, mounts, extras, log } = this.deps;
    const sandbox = await inventory.get("podsandbox", sandboxId);
    if (!sandbox.State.Running) {
      throw new CriError(
        "failedPrecondition",
        `pod sandbox ${sandbox.Id} is not ready: it is ${sandbox.State.Status}`,
      );
    }
    const { namespaces, seccomp: profile, identity: asked } = spec.security;
    if (namespaces.pid === "TARGET") await inventory.get("container", namespaces.target);
    const [facts, image, seccomp, imageIds] = await Promise.all([
      host.facts(),
      images.get(spec.image),
      readSeccomp(profile),
      this.#volumeIds(spec.mounts),
    ]);
    const identity = await identify(accounts, asked, image, spec.image);
    const options = toContainerOptions(spec, sandbox, image, facts, {
      identity,
      seccomp,
      logDriver: logs.driver,
      mounts: { folder: mounts.newFolder(), imageIds },
    });
    const records = fromMountsLabel(options.Labels ?? {});
    const made = options.HostConfig?.OomScoreAdj ?? 0;
    const extra = spec.resources && toExtra(spec.resources, undefined, made, facts);
    if (extra) toCgroupFiles(extra, facts);

    return withRollback(log, async (undo) => {
      await Promise.all(spec.mounts.map(makeSource));
      throwIfAborted(signal);
      const { id } = await mounts.during(records, () => createNamed(engine, options));
      undo("remove the container", () => engine.removeContainer(id, { force: true }));
      if (extra) {
        undo("forget its resources", () => extras.gone(id));
        await extras.save(id, extra);
      }
      throwIfAborted(signal);
      inventory.touch(id, "container");
      return id;
    });
  }

  async start(id: string): Promise<void> {
    const { engine, inventory, logs, mounts, extras } = this.deps;
    const container = await inventory.get("container", id);
    const records = fromMountsLabel(container.Config.Labels);
    try {
      await logs.prepare(container);
      await mounts.during(records, () => engine.startContainer(container.Id));
    } finally {
      inventory.touch(container.Id, "container");
    }
    const extra = extras.get(container.Id);
    if (!extra && !logs.started) return;
    const started = await inventory.get("container", container.Id);
    if (extra) await this.#limit(started, extra);
    await logs.started?.(started);
  }

  /**
   * Changes limits, of a container that runs at once (in-place resize, KEP-1287). What is zero stays.
   * @throws CriError; what the engine or the kernel refuses may have been changed in part, and can be asked again
   */
  async update(id: string, resources: LinuxContainerResources__Output): Promise<void> {
    const { engine, inventory, host, extras, kernel } = this.deps;
    const [container, facts] = await Promise.all([inventory.get("container", id), host.facts()]);
    const { Id, State, HostConfig } = container;
    const update = toUpdate(resources);
    const files = toCgroupFiles(resources, facts);
    const extra = toExtra(resources, extras.get(Id), HostConfig.OomScoreAdj, facts);
    try {
      if (Object.keys(update).length > 0) await engine.updateContainer(Id, update);
      if (State.Running) {
        await kernel.writeCgroupFiles(State.Pid, files, facts);
        const score = extra?.oomScoreAdj ?? HostConfig.OomScoreAdj;
        if (resources.oomScoreAdj !== "0") await kernel.setOomScoreAdj(State.Pid, score, facts);
      }
      if (extra) await extras.save(Id, extra);
    } finally {
      inventory.touch(Id, "container");
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

  /** The ids of the images that are mounted, by their names. CRI: they must be here. */
  async #volumeIds(mounts: Mount[]): Promise<Map<string, string>> {
    const names = mounts.flatMap(({ source }) => (source.kind === "image" ? source.image : []));
    return new Map(
      await Promise.all(names.map(async (name) => [name, (await this.deps.images.get(name)).id] as const)),
    );
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

  /** Docker starts a process at once, so what it cannot limit is limited a moment later. */
  async #limit({ Id, State }: ContainerInspect, extra: ExtraResources): Promise<void> {
    const { engine, inventory, host, kernel } = this.deps;
    if (!State.Running) return;
    const facts = await host.facts();
    try {
      await kernel.writeCgroupFiles(State.Pid, toCgroupFiles(extra, facts), facts);
      if (extra.oomScoreAdj !== undefined) await kernel.setOomScoreAdj(State.Pid, extra.oomScoreAdj, facts);
    } catch (error) {
      await engine.stopContainer(Id, 0).finally(() => inventory.touch(Id, "container"));
      throw error;
    }
  }

  async #running(id: string) {
    const container = await this.deps.inventory.get("container", id);
    requireRunning(container);
    return container;
  }
}

/** Docker's `Mounts` want an existing source; upstream runtimes make a directory where there is nothing. */
async function makeSource({ source, field }: Mount): Promise<void> {
  if (source.kind !== "host") return;
  const hostPath = source.path;
  const there = await stat(hostPath).catch(() => undefined);
  if (there) return;
  await mkdir(hostPath, { recursive: true }).catch((error: unknown) => {
    const problem = `${field}.host_path ${hostPath} does not exist and cannot be made: ${messageOf(error)}`;
    throw new CriError("failedPrecondition", problem, { cause: error });
  });
}
