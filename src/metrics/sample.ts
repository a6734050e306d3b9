/** A metric's values before they are told of somebody, and what several readers of them need (pure). */
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
    ...only("Read", bytes, "container_fs_reads_bytes_total", nameOf),
    ...only("Write", bytes, "container_fs_writes_bytes_total", nameOf),
    ...only("Read", operations, "container_fs_reads_total", nameOf),
    ...only("Write", operations, "container_fs_writes_total", nameOf),
  ]);

const only = (wanted: string, counts: readonly DeviceCount[], name: MetricName, nameOf: DeviceName): Row[] =>
  counts
    .filter(({ operation }) => operation === wanted)
    .map(({ number, value }) => [name, value, nameOf(number)]);
