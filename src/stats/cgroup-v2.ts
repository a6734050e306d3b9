/** Statistics of a cgroup of version 2 (pure; kernel, admin-guide/cgroup-v2.rst). */
import { parsePressure } from "./pressure.js";
import {
  parseKeyed,
  parseNumber,
  workingSetOf,
  type CgroupUsage,
  type MemoryNumbers,
  type StatsFile,
  type Texts,
} from "./usage.js";

export const filesV2: readonly StatsFile[] = [
  ...["cpu.stat", "cpu.pressure", "io.pressure"],
  ...["memory.current", "memory.max", "memory.stat", "memory.pressure"],
  // There only where the kernel accounts for swap.
  ...["memory.swap.current", "memory.swap.max"],
].map((name) => ({ controller: name.split(".")[0] ?? "", name }));

export function parseUsageV2(text: Texts): CgroupUsage {
  const micros = parseKeyed(text("cpu.stat") ?? "")("usage_usec");
  const swap = parseNumber(text("memory.swap.current"));
  return {
    cpuNanos: micros === undefined ? undefined : micros * 1000n,
    memory: parseMemory(text),
    swap: swap === undefined ? undefined : { usage: swap, limit: parseNumber(text("memory.swap.max")) },
    pressure: {
      cpu: parsePressure(text("cpu.pressure")),
      memory: parsePressure(text("memory.pressure")),
      io: parsePressure(text("io.pressure")),
    },
  };
}

/** No limit reads as "max", which is no number. */
function parseMemory(text: Texts): MemoryNumbers | undefined {
  const usage = parseNumber(text("memory.current"));
  const statText = text("memory.stat");
  if (usage === undefined || statText === undefined) return undefined;
  const stat = parseKeyed(statText);
  return {
    usage,
    workingSet: workingSetOf(usage, stat("inactive_file") ?? 0n),
    limit: parseNumber(text("memory.max")),
    anonymous: stat("anon") ?? 0n,
    pageFaults: stat("pgfault") ?? 0n,
    majorPageFaults: stat("pgmajfault") ?? 0n,
  };
}
