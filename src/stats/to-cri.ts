/** Usage as CRI reports it (pure). What is not known is absent: 0 would be an answer. */
import type { CpuUsage } from "../generated/runtime/v1/CpuUsage.js";
import type { IoUsage } from "../generated/runtime/v1/IoUsage.js";
import type { MemoryUsage } from "../generated/runtime/v1/MemoryUsage.js";
import type { NetworkUsage } from "../generated/runtime/v1/NetworkUsage.js";
import type { ProcessUsage } from "../generated/runtime/v1/ProcessUsage.js";
import type { PsiStats } from "../generated/runtime/v1/PsiStats.js";
import type { SwapUsage } from "../generated/runtime/v1/SwapUsage.js";
import type { UInt64Value } from "../generated/runtime/v1/UInt64Value.js";
import type { InterfaceCounters } from "./net-dev.js";
import { above0, type CgroupUsage, type Pressure, type PressureLine } from "./usage.js";

/** A cgroup as it was read. */
export interface Measured {
  /** Nanoseconds since the epoch. */
  at: bigint;
  usage: CgroupUsage;
  /** Billionths of a core in use; undefined until that is known. */
  cpuRate: bigint | undefined;
}

interface UsageFields {
  cpu?: CpuUsage;
  memory?: MemoryUsage;
  swap?: SwapUsage;
  io?: IoUsage;
}

export function toUsage({ at, usage, cpuRate }: Measured): UsageFields {
  const { cpuNanos, memory, swap, pressure } = usage;
  const timestamp = at.toString();
  return {
    ...(cpuNanos === undefined
      ? {}
      : {
          cpu: {
            timestamp,
            usageCoreNanoSeconds: toUint64(cpuNanos),
            usageNanoCores: toUint64(cpuRate),
            psi: toPsi(pressure.cpu),
          },
        }),
    ...(memory && {
      memory: {
        timestamp,
        workingSetBytes: toUint64(memory.workingSet),
        availableBytes: toUint64(left(memory.limit, memory.workingSet)),
        usageBytes: toUint64(memory.usage),
        rssBytes: toUint64(memory.anonymous),
        pageFaults: toUint64(memory.pageFaults),
        majorPageFaults: toUint64(memory.majorPageFaults),
        psi: toPsi(pressure.memory),
      },
    }),
    ...(swap && {
      swap: {
        timestamp,
        swapUsageBytes: toUint64(swap.usage),
        swapAvailableBytes: toUint64(left(swap.limit, swap.usage)),
      },
    }),
    ...(pressure.io && { io: { timestamp, psi: toPsi(pressure.io) } }),
  };
}

/** CRI has these of pods only. */
export const toProcesses = (at: bigint, count: number): ProcessUsage => ({
  timestamp: at.toString(),
  processCount: toUint64(BigInt(count)),
});

/**
 * The default interface is eth0, as every network names it that follows CNI's conventions; where there is none, the
 * first one.
 * @returns null for a namespace with nothing but the loopback
 */
export function toNetwork(at: bigint, interfaces: readonly InterfaceCounters[]): NetworkUsage | null {
  const main = interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
  if (!main) return null;
  return {
    timestamp: at.toString(),
    defaultInterface: toInterface(main),
    interfaces: interfaces.filter((other) => other !== main).map(toInterface),
  };
}

const toInterface = ({ name, rxBytes, rxErrors, txBytes, txErrors }: InterfaceCounters) => ({
  name,
  rxBytes: toUint64(rxBytes),
  rxErrors: toUint64(rxErrors),
  txBytes: toUint64(txBytes),
  txErrors: toUint64(txErrors),
});

const toUint64 = (value: bigint | undefined): UInt64Value | null =>
  value === undefined ? null : { value: value.toString() };

const left = (limit: bigint | undefined, used: bigint): bigint | undefined =>
  limit === undefined ? undefined : above0(limit - used);

const toPsi = (pressure: Pressure | undefined): PsiStats | null =>
  pressure ? { Some: toPsiData(pressure.some), Full: pressure.full ? toPsiData(pressure.full) : null } : null;

const toPsiData = ({ total, avg10, avg60, avg300 }: PressureLine) => ({
  Total: total.toString(),
  Avg10: avg10,
  Avg60: avg60,
  Avg300: avg300,
});
