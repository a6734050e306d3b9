/** What several cgroups use together (pure). */
import type { Measured } from "./to-cri.js";
import type { MemoryNumbers } from "./usage.js";

/**
 * The usage of a pod without a cgroup of its own. It has no limit, so nothing is told to be available, and
 * pressures cannot be added: tasks of two containers may have waited at the same time.
 */
export function sumOf(parts: readonly [Measured, ...Measured[]]): Measured {
  const usages = parts.map(({ usage }) => usage);
  const swaps = usages.map(({ swap }) => swap?.usage);
  const swap = total(swaps);
  return {
    at: parts[0].at,
    cpuRate: total(parts.map(({ cpuRate }) => cpuRate)),
    usage: {
      cpuNanos: total(usages.map(({ cpuNanos }) => cpuNanos)),
      memory: sumOfMemory(usages.map(({ memory }) => memory).filter((memory) => memory !== undefined)),
      swap: swap === undefined ? undefined : { usage: swap, limit: undefined },
      pressure: { cpu: undefined, memory: undefined, io: undefined },
    },
  };
}

function sumOfMemory(parts: readonly MemoryNumbers[]): MemoryNumbers | undefined {
  if (parts.length === 0) return undefined;
  const add = (pick: (part: MemoryNumbers) => bigint) => parts.reduce((sum, part) => sum + pick(part), 0n);
  return {
    usage: add(({ usage }) => usage),
    workingSet: add(({ workingSet }) => workingSet),
    limit: undefined,
    anonymous: add(({ anonymous }) => anonymous),
    pageFaults: add(({ pageFaults }) => pageFaults),
    majorPageFaults: add(({ majorPageFaults }) => majorPageFaults),
  };
}

/** Of those that are known; undefined where none is. A container that has just started has no rate yet. */
function total(values: readonly (bigint | undefined)[]): bigint | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0n);
}
