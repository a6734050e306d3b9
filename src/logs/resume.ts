/** What a follower finds out at start about what the last process has written. */
import { statSync } from "node:fs";
import { messageOf } from "../errors.js";
import { Destination } from "./destination.js";
import { identityOf, sameFile } from "./identity.js";
import type { Reporter } from "./messages.js";
import type { Overlap } from "./overlap.js";
import { loadPosition, type Position } from "./position.js";

export function readPosition(file: string, report: Reporter): Position | undefined {
  try {
    return loadPosition(file);
  } catch (error) {
    report("position", `unreadable: ${messageOf(error)}`, 1);
    return undefined;
  }
}

/** True when Docker has written since the log was complete: somebody has started the container again. */
export function hasMore(source: string, { source: end }: Position): boolean {
  const stats = statSync(source, { bigint: true, throwIfNoEntry: false });
  if (!stats) return false;
  return !end || !sameFile(identityOf(stats), end) || Number(stats.size) > end.offset;
}

/**
 * How much of the output behind the saved position was written before the last process ended.
 * @param destination the file that has the log's name now
 */
export function findOverlap(
  overlap: Overlap,
  position: Position | undefined,
  destination: Destination,
  path: string,
  report: Reporter,
): void {
  if (!position) {
    // The log itself tells how far it is.
    destination.trim();
    overlap.setLastLine(destination.lastLine());
    return;
  }
  const { ahead, destination: saved } = position;
  if (sameFile(destination.identity, saved)) {
    const written = destination.size - saved.size;
    if (written < 0) report("destination", `the log has lost ${-written} bytes`, 1);
    overlap.set(ahead + Math.max(written, 0), written);
    return;
  }
  const renamed = Destination.renamed(path, saved);
  if (!renamed) {
    report("destination", "the log that was being written is gone", 1);
    overlap.set(ahead);
    return;
  }
  // The kubelet has renamed it. A line that is torn there is written to the new file as a whole.
  renamed.trim();
  overlap.set(ahead + renamed.size - saved.size);
  renamed.close();
}
