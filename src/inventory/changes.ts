/**
 * What has happened to a container between two looks at it (pure). Told by its times, not by Docker's events: those
 * are told again when a stream is opened anew, and are lost with one.
 */
import type { ContainerInspect } from "../docker/engine.js";
import { toNanos } from "../docker/time.js";

export interface Change {
  kind: "created" | "started" | "stopped" | "deleted";
  /** Nanoseconds since the epoch. */
  at: bigint;
}

/**
 * In the order in which they happened. Of several runs between two looks only the last can be told apart.
 * @param before undefined where nothing was known of it
 */
export function changesBetween(before: ContainerInspect | undefined, after: ContainerInspect): Change[] {
  const created: Change[] = before ? [] : [{ kind: "created", at: toNanos(after.Created) }];
  const { StartedAt, FinishedAt, Running } = after.State;
  const startedAt = toNanos(StartedAt);
  const finishedAt = toNanos(FinishedAt);
  const started = startedAt !== 0n && StartedAt !== before?.State.StartedAt;
  const wasRunning = before?.State.Running ?? false;
  // While it runs, the time of an end is that of the run before.
  const ended: Change = { kind: "stopped", at: finishedAt };
  if (!started) return wasRunning && !Running ? [...created, ended] : created;
  return [
    ...created,
    ...(wasRunning ? [{ kind: "stopped", at: Running ? finishedAt : startedAt } as const] : []),
    { kind: "started", at: startedAt },
    ...(Running ? [] : [ended]),
  ];
}

/** Of one that is not there any more. What runs has ended before it went. */
export const endOf = ({ State }: ContainerInspect, now: bigint): Change[] => [
  ...(State.Running ? [{ kind: "stopped", at: now } as const] : []),
  { kind: "deleted", at: now },
];
