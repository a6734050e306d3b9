/** --container-log-format=cri: files in CRI's format, written from Docker's by a thread of their own. */
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerInspect } from "../docker/engine.js";
import { CriError, messageOf } from "../errors.js";
import { logPathLabel } from "../kube/labels.js";
import type { Log } from "../log.js";
import type { ContainerLogs } from "./container-logs.js";
import type { LogThread } from "./log-thread.js";
import type { LogReport } from "./messages.js";
import { unlinkLog } from "./symlink.js";

/**
 * Docker's files are only the way to ours: small, and as many as keep what is said while this program is down.
 * All options are set, since the daemon's defaults fill in what is not: compressed files could not be followed,
 * and its non-blocking mode drops lines.
 */
const driver = {
  Type: "json-file",
  Config: { "max-size": "16m", "max-file": "4", compress: "false", mode: "blocking" },
};

/** How long a status waits for the last lines of a container that has ended. */
const drainMs = 2_000;

export interface CriLogsDependencies {
  thread: Pick<LogThread, "follow" | "finish" | "reopen" | "forget" | "close">;
  host: { facts(): Promise<{ rootDirectory: string }> };
  /** Where the positions are kept. */
  directory: string;
  log: Log;
}

/** Reports of the thread, as they are logged. */
export const logReports =
  (log: Log) =>
  ({ id, what, detail, count }: LogReport): void => {
    const level = what === "resumed" ? "info" : "warn";
    log[level](reportTexts[what], { ...(id === "" ? {} : { containerId: id }), detail, count });
  };

const reportTexts: Record<LogReport["what"], string> = {
  gap: "lines are missing in a container's log: Docker has dropped them",
  damaged: "entries of Docker's log were not written to their ends",
  stalled: "a container's log cannot be written; it is tried again every second",
  resumed: "a container's log can be written again",
  position: "the position in a container's log cannot be read or saved",
  destination: "a container's log is not as it was left",
  watch: "logs are followed without file system events",
  restarted: "the thread that writes the logs has died and was started again",
};

export class CriLogs implements ContainerLogs {
  readonly driver = driver;
  /** Containers that are followed. */
  readonly #followed = new Map<string, Promise<void>>();
  /** Containers that have ended, and what waits for their last lines. */
  readonly #ended = new Map<string, Promise<void>>();

  constructor(private readonly deps: CriLogsDependencies) {}

  async prepare(container: ContainerInspect): Promise<void> {
    if (!(await isOurs(container))) return;
    try {
      await this.#follow(container);
    } catch (error) {
      throw new CriError(
        "failedPrecondition",
        `the log of container ${container.Id} cannot be written: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  started(): Promise<void> {
    return Promise.resolve();
  }

  async seen(container: ContainerInspect): Promise<void> {
    const { Id, State } = container;
    try {
      if (isUnborn(container)) return;
      if (State.Running) {
        this.#ended.delete(Id);
        if (!this.#followed.has(Id) && (await isOurs(container))) await this.#follow(container);
        return;
      }
      if (!this.#ended.has(Id)) this.#ended.set(Id, this.#finish(container));
      await Promise.race([this.#ended.get(Id), delay(drainMs, undefined, { ref: false })]);
    } catch (error) {
      this.deps.log.warn("a container's log is not followed", { containerId: Id, error });
    }
  }

  async reopen(container: ContainerInspect): Promise<void> {
    const { Id } = container;
    if (!this.#followed.has(Id)) {
      throw new CriError("failedPrecondition", `the log of container ${Id} is not written by this program`);
    }
    await this.deps.thread.reopen(Id);
  }

  async removed(container: ContainerInspect): Promise<void> {
    this.#followed.delete(container.Id);
    this.#ended.delete(container.Id);
    await this.deps.thread.forget(container.Id);
    // A predecessor's.
    await unlinkLog(pathOf(container), container.LogPath);
  }

  async keepOnly(ids: ReadonlySet<string>): Promise<void> {
    const { directory, thread } = this.deps;
    for (const id of [...this.#followed.keys()].filter((id) => !ids.has(id))) {
      this.#followed.delete(id);
      await thread.forget(id);
    }
    for (const name of await readdir(directory).catch(() => [])) {
      const [id = ""] = name.split(".");
      if (!ids.has(id)) await rm(join(directory, name), { force: true });
    }
  }

  close(): Promise<void> {
    return this.deps.thread.close();
  }

  #follow(container: ContainerInspect): Promise<void> {
    const { Id } = container;
    const known = this.#followed.get(Id);
    if (known) return known;
    const following = this.#begin(container);
    this.#followed.set(Id, following);
    following.catch(() => this.#followed.delete(Id));
    return following;
  }

  async #begin(container: ContainerInspect): Promise<void> {
    const { Id } = container;
    const { rootDirectory } = await this.deps.host.facts();
    await this.deps.thread.follow({
      id: Id,
      sourceDirectory: join(rootDirectory, "containers", Id),
      path: pathOf(container),
      positionFile: join(this.deps.directory, `${Id}.json`),
    });
  }

  async #finish(container: ContainerInspect): Promise<void> {
    if (!this.#followed.has(container.Id) && !(await isOurs(container))) return;
    await this.#follow(container);
    await this.deps.thread.finish(container.Id);
    // It may be started again, by somebody else.
    this.#followed.delete(container.Id);
  }
}

const pathOf = ({ Config }: ContainerInspect): string => Config.Labels[logPathLabel] ?? "";

/** Created, and never started: there is nothing to follow, and CRI's file is made at the start. */
const isUnborn = ({ State }: ContainerInspect): boolean =>
  !State.Running && State.StartedAt.startsWith("0001-");

/** False without a log, and for containers of a predecessor: they have a link there, and go on with it. */
async function isOurs(container: ContainerInspect): Promise<boolean> {
  const path = pathOf(container);
  if (path === "" || container.HostConfig.LogConfig.Type !== "json-file") return false;
  const there = await lstat(path).catch(() => undefined);
  return !there?.isSymbolicLink();
}
