/** What the kernel tells of a cgroup, in numbers (pure). */

/** A part is undefined where this host does not tell it. */
export interface CgroupUsage {
  /** Processor time since the cgroup exists, in nanoseconds over all cores. */
  cpuNanos: bigint | undefined;
  memory: MemoryNumbers | undefined;
  swap: SwapNumbers | undefined;
  /** Only cgroups of version 2 tell these. */
  pressure: { cpu: Pressure | undefined; memory: Pressure | undefined; io: Pressure | undefined };
}

/** In bytes, and in faults since the cgroup exists. */
export interface MemoryNumbers {
  /** All that is charged, page cache included. */
  usage: bigint;
  workingSet: bigint;
  /** Of the cgroup itself; undefined without one. */
  limit: bigint | undefined;
  anonymous: bigint;
  pageFaults: bigint;
  majorPageFaults: bigint;
}

/** In bytes. */
export interface SwapNumbers {
  usage: bigint;
  limit: bigint | undefined;
}

/** A pressure file (kernel, accounting/psi.rst). */
export interface Pressure {
  some: PressureLine;
  /** The kernel tells none of cpu before 5.13. */
  full: PressureLine | undefined;
}

export interface PressureLine {
  /** Shares of the last 10, 60 and 300 seconds, in percent. */
  avg10: number;
  avg60: number;
  avg300: number;
  /** Microseconds since the cgroup exists. */
  total: bigint;
}

/** A file of statistics, and the controller in whose hierarchy it is (version 2 has one hierarchy for all). */
export interface StatsFile {
  controller: string;
  name: string;
}

/** The text of a file by its name, undefined where there is none. */
export type Texts = (name: string) => string | undefined;

/**
 * Working set as the kubelet decides evictions by it: without the file pages that the kernel can drop first
 * (cAdvisor's rule, which containerd has too). The two numbers are read one after the other and may not fit.
 */
export const workingSetOf = (usage: bigint, inactiveFile: bigint): bigint => above0(usage - inactiveFile);

export const above0 = (value: bigint): bigint => (value > 0n ? value : 0n);

/** The number that a file consists of; undefined for anything else, "max" for one. */
export const parseNumber = (text: string | undefined): bigint | undefined =>
  text !== undefined && /^\d+\s*$/.test(text) ? BigInt(text.trim()) : undefined;

/** A file of lines "name number" (the kernel's "flat keyed" form). Of the dozens that there are few are asked for. */
export function parseKeyed(text: string): (key: string) => bigint | undefined {
  const lines = `\n${text}`;
  return (key) => {
    const start = lines.indexOf(`\n${key} `);
    if (start < 0) return undefined;
    const end = lines.indexOf("\n", start + 1);
    return parseNumber(lines.slice(start + key.length + 2, end < 0 ? undefined : end));
  };
}
