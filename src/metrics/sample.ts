/** A metric's values before they are told of somebody, and what several readers of them need (pure). */
import type { CgroupUsage } from "../stats/usage.js";
import type { MetricName } from "./table.js";

export interface Sample {
  name: MetricName;
  /** CRI has whole numbers only: a time in seconds loses its fraction. */
  value: bigint;
  /** Of the metric's own labels, in their order. */
  labels: readonly string[];
  /** Nanoseconds since 1970, where it was not measured for this answer. */
  at?: string;
}

type Row = readonly [name: MetricName, value: bigint | undefined, ...labels: string[]];

/** What is not known is left out. */
export const samples = (rows: readonly Row[]): Sample[] =>
  rows.flatMap(([name, value, ...labels]) => (value === undefined ? [] : [{ name, value, labels }]));

/** @param unit how many of it are a second */
export const inSeconds = (value: bigint | undefined, unit: bigint): bigint | undefined =>
  value === undefined ? undefined : value / unit;

export const perSecond = { nanos: 1_000_000_000n, micros: 1_000_000n, ticks: 100n } as const;

/** What the statistics have read already. */
export const usageSamples = ({ cpuNanos, memory }: CgroupUsage): Sample[] =>
  samples([
    ["container_cpu_usage_seconds_total", inSeconds(cpuNanos, perSecond.nanos), "total"],
    ["container_memory_usage_bytes", memory?.usage],
    ["container_memory_working_set_bytes", memory?.workingSet],
    ["container_memory_rss", memory?.anonymous],
    ["container_memory_failures_total", memory?.pageFaults, "pgfault", "hierarchy"],
    ["container_memory_failures_total", memory?.majorPageFaults, "pgmajfault", "hierarchy"],
  ]);

/**
 * Without a quota nothing is throttled. Kernels before 5.14 know no bursts.
 * @param stat of the cgroup's cpu.stat
 * @param keys what that calls its times, and how many of their unit are a second
 */
export const quotaSamples = (
  quota: bigint | undefined,
  stat: (key: string) => bigint | undefined,
  keys: { throttled: string; burst: string; unit: bigint },
): Sample[] =>
  quota === undefined
    ? []
    : samples([
        ["container_spec_cpu_quota", quota],
        ["container_cpu_cfs_periods_total", stat("nr_periods")],
        ["container_cpu_cfs_throttled_periods_total", stat("nr_throttled")],
        ["container_cpu_cfs_throttled_seconds_total", inSeconds(stat(keys.throttled), keys.unit)],
        ["container_cpu_cfs_burst_periods_total", stat("nr_bursts") ?? 0n],
        ["container_cpu_cfs_burst_seconds_total", inSeconds(stat(keys.burst) ?? 0n, keys.unit)],
      ]);

/** What both versions of cgroups may tell of a block device. */
export interface DeviceCount {
  /** "8:0" */
  number: string;
  /** "Read", "Write" and others of the kernel's words */
  operation: string;
  value: bigint;
}

/** What the kernel calls a device, as "/dev/sda"; a number that it does not know stays one. */
export type DeviceName = (number: string) => string;

export const deviceSamples = (
  bytes: readonly DeviceCount[],
  operations: readonly DeviceCount[],
  nameOf: DeviceName,
): Sample[] =>
  samples([
    ...bytes.map(({ number, operation, value }): Row => {
      const [major = "", minor = ""] = number.split(":");
      return ["container_blkio_device_usage_total", value, nameOf(number), major, minor, operation];
    }),
    ...ofOperation("Read", bytes, "container_fs_reads_bytes_total", nameOf),
    ...ofOperation("Write", bytes, "container_fs_writes_bytes_total", nameOf),
    ...ofOperation("Read", operations, "container_fs_reads_total", nameOf),
    ...ofOperation("Write", operations, "container_fs_writes_total", nameOf),
  ]);

const ofOperation = (
  wanted: string,
  counts: readonly DeviceCount[],
  name: MetricName,
  nameOf: DeviceName,
): Row[] =>
  counts
    .filter(({ operation }) => operation === wanted)
    .map(({ number, value }) => [name, value, nameOf(number)]);
