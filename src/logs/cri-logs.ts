/** --container-log-format=cri: files in CRI's format, written from Docker's by a thread of their own. */
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerInspect } from "../docker/engine.js";
import { CriError, isKind, messageOf } from "../errors.js";
import { logPathLabel } from "../kube/labels.js";
import type { Log } from "../log.js";
import type { ContainerLogs } from "./container-logs.js";
import type { LogThread } from "./log-thread.js";
import type { LogProgress, LogReport } from "./messages.js";
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
  thread: Pick<LogThread, "follow" | "finish" | "reopen" | "forget" | "progress" | "close">;
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
  /** Containers whose output goes on: true when they are followed, false when their logs are not ours. */
  readonly #followed = new Map<string, Promise<boolean>>();
  /** Containers that have ended, and what waits for their last lines. */
  readonly #ended = new Map<string, Promise<void>>();

  constructor(private readonly deps: CriLogsDependencies) {}

  async prepare(container: ContainerInspect): Promise<void> {
    try {
      await this.#follow(container, { starting: true });
    } catch (error) {
      throw new CriError(
        "failedPrecondition",
        `the log of container ${container.Id} cannot be written: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  async seen(container: ContainerInspect): Promise<void> {
    const { Id, State } = container;
    try {
      if (isUnborn(container)) return;
      if (State.Running) {
        this.#ended.delete(Id);
        await this.#follow(container);
        return;
      }
      const finished = once(this.#ended, Id, () => this.#finish(container));
      await Promise.race([finished, delay(drainMs, undefined, { ref: false })]);
    } catch (error) {
      // Removed meanwhile. A log that the thread has lost for another reason was reported then.
      if (isKind(error, "notFound")) return;
      this.deps.log.warn("a container's log is not followed", { containerId: Id, error });
    }
  }

  async reopen(container: ContainerInspect): Promise<void> {
    const { Id } = container;
    if (!(await this.#followed.get(Id))) {
      throw new CriError("failedPrecondition", `the log of container ${Id} is not written by this program`);
    }
    await this.deps.thread.reopen(Id);
  }

  async removed(container: ContainerInspect): Promise<void> {
    await this.gone(container.Id);
    // A predecessor's.
    await unlinkLog(pathOf(container), container.LogPath);
  }

  async gone(id: string): Promise<void> {
    const following = this.#followed.get(id);
    this.#followed.delete(id);
    this.#ended.delete(id);
    // The thread would forget first and follow then.
    await following?.catch(() => undefined);
    await this.#orWarn(id, this.deps.thread.forget(id));
  }

  async keepOnly(ids: ReadonlySet<string>): Promise<void> {
    // At this moment nothing is known that is not among `ids` but what is gone: only what the inventory has can be
    // started or seen, and it has ours from their creation on.
    const known = new Set([...this.#followed.keys(), ...this.#ended.keys()]);
    await Promise.all([...known].filter((id) => !ids.has(id)).map((id) => this.gone(id)));
    const { directory } = this.deps;
    for (const name of await readdir(directory).catch(() => [])) {
      const [id = ""] = name.split(".");
      // Made since the call, so not among `ids`.
      if (ids.has(id) || this.#followed.has(id) || this.#ended.has(id)) continue;
      await this.#orWarn(id, rm(join(directory, name), { force: true }));
    }
  }

  progress(): Promise<LogProgress> {
    return this.deps.thread.progress();
  }

  close(): Promise<void> {
    return this.deps.thread.close();
  }

  /** Known in `#followed` from the call on, so that a removal finds what is under way. */
  #follow(container: ContainerInspect, { starting } = { starting: false }): Promise<boolean> {
    return once(this.#followed, container.Id, () => this.#begin(container, starting));
  }

  async #begin(container: ContainerInspect, starting: boolean): Promise<boolean> {
    if (!(await this.#isOurs(container, starting))) return false;
    const { Id } = container;
    const { rootDirectory } = await this.deps.host.facts();
    await this.deps.thread.follow({
      id: Id,
      sourceDirectory: join(rootDirectory, "containers", Id),
      path: pathOf(container),
      positionFile: this.#positionFile(Id),
    });
    return true;
  }

  /**
   * Whether the log is for us to write. Of what a predecessor has made it is only where we start it and no link is there:
   * the predecessor may have started it a moment ago, and be about to make the link.
   */
  async #isOurs(container: ContainerInspect, starting: boolean): Promise<boolean> {
    const path = pathOf(container);
    const { Type, Config } = container.HostConfig.LogConfig;
    if (path === "" || Type !== driver.Type) return false;
    // Nobody else gives all of these.
    if (Object.entries(driver.Config).every(([key, value]) => Config?.[key] === value)) return true;
    if (await lookAt(this.#positionFile(container.Id))) return true;
    return starting && !(await lookAt(path))?.isSymbolicLink();
  }

  #positionFile(id: string): string {
    return join(this.deps.directory, `${id}.json`);
  }

  async #finish(container: ContainerInspect): Promise<void> {
    if (!(await this.#follow(container))) return;
    try {
      await this.deps.thread.finish(container.Id);
    } finally {
      // It may be started again, by somebody else; and what failed may have been for want of a follower.
      this.#followed.delete(container.Id);
    }
  }

  /** What a removed container leaves behind is nothing that its removal should fail for. */
  async #orWarn(id: string, forgetting: Promise<void>): Promise<void> {
    try {
      await forgetting;
    } catch (error) {
      this.deps.log.warn("what is left of a removed container's log cannot be removed", {
        containerId: id,
        error,
      });
    }
  }
}

/** What is under way for a container, or done; begun when it is neither, or has failed. */
function once<T>(known: Map<string, Promise<T>>, id: string, begin: () => Promise<T>): Promise<T> {
  const before = known.get(id);
  if (before) return before;
  const begun = begin();
  known.set(id, begun);
  begun.catch(() => {
    if (known.get(id) === begun) known.delete(id);
  });
  return begun;
}

const pathOf = ({ Config }: ContainerInspect): string => Config.Labels[logPathLabel] ?? "";

/** Created, and never started: there is nothing to follow, and CRI's file is made at the start. */
const isUnborn = ({ State }: ContainerInspect): boolean =>
  !State.Running && State.StartedAt.startsWith("0001-");

/** Undefined where there is nothing. */
const lookAt = (path: string) => lstat(path).catch(() => undefined);
