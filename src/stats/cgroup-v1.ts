/** Statistics of a cgroup of version 1 (pure; kernel, admin-guide/cgroup-v1/memory.rst and cpuacct.rst). */
import {
  above0,
  parseKeyed,
  parseNumber,
  workingSetOf,
  type CgroupUsage,
  type MemoryNumbers,
  type StatsFile,
  type SwapNumbers,
  type Texts,
} from "./usage.js";

export const filesV1: readonly StatsFile[] = [
  { controller: "cpuacct", name: "cpuacct.usage" },
  { controller: "memory", name: "memory.usage_in_bytes" },
  { controller: "memory", name: "memory.limit_in_bytes" },
  // There only where the kernel accounts for swap.
  { controller: "memory", name: "memory.memsw.limit_in_bytes" },
  { controller: "memory", name: "memory.stat" },
];

export function parseUsageV1(text: Texts): CgroupUsage {
  const stat = parseKeyed(text("memory.stat") ?? "");
  const memory = parseMemory(text, stat);
  return {
    cpuNanos: parseNumber(text("cpuacct.usage")),
    memory,
    swap: memory && parseSwap(text, stat, memory.limit),
    pressure: { cpu: undefined, memory: undefined, io: undefined },
  };
}

/** With "total_" a number is of the cgroup and all below it, as usage_in_bytes is. */
function parseMemory(text: Texts, stat: (key: string) => bigint | undefined): MemoryNumbers | undefined {
  const usage = parseNumber(text("memory.usage_in_bytes"));
  if (usage === undefined || text("memory.stat") === undefined) return undefined;
  return {
    usage,
    workingSet: workingSetOf(usage, stat("total_inactive_file") ?? 0n),
    limit: limitOf(text("memory.limit_in_bytes")),
    anonymous: stat("total_rss") ?? 0n,
    pageFaults: stat("total_pgfault") ?? 0n,
    majorPageFaults: stat("total_pgmajfault") ?? 0n,
  };
}

/** The second limit is of memory and swap together. */
function parseSwap(
  text: Texts,
  stat: (key: string) => bigint | undefined,
  memoryLimit: bigint | undefined,
): SwapNumbers | undefined {
  if (text("memory.memsw.limit_in_bytes") === undefined) return undefined;
  const both = limitOf(text("memory.memsw.limit_in_bytes"));
  return {
    usage: stat("total_swap") ?? 0n,
    limit: both === undefined || memoryLimit === undefined ? undefined : above0(both - memoryLimit),
  };
}

/** No limit reads as the greatest number of whole pages; the kubelet, too, takes what is above 2^62 for none. */
function limitOf(text: string | undefined): bigint | undefined {
  const limit = parseNumber(text);
  return limit === undefined || limit > 2n ** 62n ? undefined : limit;
}
