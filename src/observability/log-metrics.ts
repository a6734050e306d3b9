/** Metrics of the thread that writes the container logs. All come from one question to it, which may go unanswered. */
import { Counter, Gauge, type Registry } from "prom-client";
import { setTimeout as delay } from "node:timers/promises";
import type { LogProgress } from "../logs/messages.js";

/** The thread does its work with the disk: on one that hangs, the other metrics are not to wait for it. */
const answerMs = 1000;

const gauges = {
  followed: ["dockershim_logs_followed", "Container logs that are being written."],
  stalled: ["dockershim_logs_stalled", "Container logs that cannot be written at the moment."],
  behindBytes: [
    "dockershim_logs_behind_bytes",
    "What Docker has written, in its own format, and the container logs do not have yet.",
  ],
} as const;

const counters = {
  lines: ["dockershim_log_lines_total", "Lines that were written to container logs."],
  bytes: ["dockershim_log_written_bytes_total", "Bytes that were written to container logs."],
  gaps: ["dockershim_log_gaps_total", "How often Docker had dropped output before it was read."],
  damaged: ["dockershim_log_damaged_entries_total", "Entries that Docker did not write to their ends."],
} as const;

/**
 * @param ask undefined where this program writes no logs; the metrics are without a value then
 * @returns what is to be awaited before each text of the registry
 */
export function watchLogs(
  registry: Registry,
  ask: () => Promise<LogProgress | undefined>,
): () => Promise<void> {
  let latest: LogProgress | undefined;
  for (const key of keysOf(gauges)) {
    const [name, help] = gauges[key];
    const collect = function (this: Gauge): void {
      this.remove();
      if (latest) this.set(latest[key]);
    };
    new Gauge({ name, help, registers: [registry], collect });
  }
  for (const key of keysOf(counters)) {
    const [name, help] = counters[key];
    // The thread counts, and begins anew when it has died, as counters may.
    const collect = function (this: Counter): void {
      this.remove();
      if (latest) this.inc(latest[key]);
    };
    new Counter({ name, help, registers: [registry], collect });
  }
  return async () => {
    const late = delay(answerMs, undefined, { ref: false });
    latest = await Promise.race([ask().catch(() => undefined), late]);
  };
}

const keysOf = <Key extends string>(record: Record<Key, unknown>): Key[] => Object.keys(record) as Key[];
