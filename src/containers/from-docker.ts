/** A container as CRI reports it (pure). */
import type { ContainerInspect, ImageInspect } from "../docker/engine.js";
import { toNanos } from "../docker/time.js";
import type { Container } from "../generated/runtime/v1/Container.js";
import type { ContainerFilter__Output } from "../generated/runtime/v1/ContainerFilter.js";
import type { ContainerState__Output as ContainerState } from "../generated/runtime/v1/ContainerState.js";
import type { ContainerStatus } from "../generated/runtime/v1/ContainerStatus.js";
import type { ContainerUser } from "../generated/runtime/v1/ContainerUser.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels, logPathLabel, sandboxIdLabel } from "../kube/labels.js";
import { fromMountsLabel } from "../kube/mount-records.js";
import { parseContainerName } from "../kube/names.js";
import { fromDockerSignal } from "../linux/signals.js";
import type { ExtraResources } from "./extra-resources.js";
import { fromDockerMount } from "./mounts.js";
import { fromHostConfig } from "./resources.js";

export const toContainer = (container: ContainerInspect): Container => ({
  id: container.Id,
  podSandboxId: container.Config.Labels[sandboxIdLabel] ?? "",
  metadata: metadataOf(container),
  image: { image: container.Config.Image },
  imageRef: container.Image,
  imageId: container.Image,
  state: outcome(container).state,
  createdAt: toNanos(container.Created).toString(),
  ...fromLabels(container.Config.Labels),
});

/** @param image the image as it is now; undefined where it is gone */
export function toContainerStatus(
  container: ContainerInspect,
  image: ImageInspect | undefined,
  extra?: ExtraResources,
): ContainerStatus {
  const { podSandboxId: _, ...summary } = toContainer(container);
  const records = fromMountsLabel(container.Config.Labels);
  const name = image?.RepoTags?.[0] ?? image?.RepoDigests?.[0] ?? container.Config.Image;
  return {
    ...summary,
    ...outcome(container),
    image: { image: name },
    mounts: container.Mounts.map((mount) => fromDockerMount(mount, records)),
    logPath: container.Config.Labels[logPathLabel] ?? "",
    resources: { linux: fromHostConfig(container.HostConfig, extra) },
    user: userOf(container),
    stopSignal: fromDockerSignal(container.Config.StopSignal),
  };
}

/** Filters are joined by AND; ids match by prefix. */
export const matchesFilter = (item: Container, filter: ContainerFilter__Output | null): boolean =>
  !filter ||
  ((item.id ?? "").startsWith(filter.id) &&
    (item.podSandboxId ?? "").startsWith(filter.podSandboxId) &&
    (!filter.state || filter.state.state === item.state) &&
    matchesLabels(item.labels ?? {}, filter.labelSelector));

interface Outcome {
  state: ContainerState;
  /** Nanoseconds since the epoch, 0 where it has not happened. */
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  reason: string;
  message: string;
}

/**
 * A container that is not running has run and ended, has failed to start (Docker keeps an exit code but no
 * end), or was never started. The kubelet knows the reasons by these words.
 */
function outcome({ State, Created }: ContainerInspect): Outcome {
  const startedAt = toNanos(State.StartedAt).toString();
  const finishedAt = later(toNanos(State.StartedAt), toNanos(State.FinishedAt)).toString();
  const message = State.Error;
  if (State.Running) {
    return { state: "CONTAINER_RUNNING", startedAt, finishedAt: "0", exitCode: 0, reason: "", message };
  }
  const exitCode = State.ExitCode;
  if (toNanos(State.FinishedAt) !== 0n && startedAt !== "0") {
    const reason = State.OOMKilled ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error";
    return { state: "CONTAINER_EXITED", startedAt, finishedAt, exitCode, reason, message };
  }
  if (exitCode !== 0 || message !== "") {
    const created = toNanos(Created).toString();
    return {
      state: "CONTAINER_EXITED",
      startedAt: created,
      finishedAt: created,
      exitCode,
      reason: "ContainerCannotRun",
      message,
    };
  }
  return {
    // Started, not running, and without an end: nobody knows.
    state: startedAt === "0" ? "CONTAINER_CREATED" : "CONTAINER_UNKNOWN",
    startedAt,
    finishedAt: "0",
    exitCode: 0,
    reason: "",
    message: "",
  };
}

/**
 * As whom its first process is started. With a user and a group in numbers, as we give them, Docker adds nothing of the
 * image's, and the primary group to the supplementary ones. Of predecessors' containers in other forms only the image
 * could tell: they have no user here.
 */
function userOf({ Config, HostConfig }: ContainerInspect): ContainerUser | null {
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(Config.User) ?? [];
  const groups = HostConfig.GroupAdd ?? [];
  if (uid === undefined || gid === undefined || !groups.every((group) => /^\d+$/.test(group))) return null;
  return { linux: { uid, gid, supplementalGroups: [...new Set([gid, ...groups])] } };
}

/** Docker takes the start's time after the fact; a process of a moment can end before it. */
const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const metadataOf = ({ Name }: ContainerInspect) =>
  parseContainerName(Name) ?? { name: Name.replace(/^\//, ""), attempt: 0 };
