/** Metrics as CRI has them (pure). */
import { toNanos } from "../docker/time.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { FilesystemUsage } from "../generated/runtime/v1/FilesystemUsage.js";
import type { Metric } from "../generated/runtime/v1/Metric.js";
import { parseContainerName, podOf } from "../kube/names.js";
import type { InterfaceCounters } from "../stats/net-dev.js";
import { inSeconds, perSecond, samples, type Sample } from "./sample.js";
import { table, type baseLabels } from "./table.js";

type BaseLabels = Record<(typeof baseLabels)[number], string>;

/** What is measured for the answer has no timestamp: the time is the scrape's. */
export const toMetrics = (all: readonly Sample[], base: BaseLabels): Metric[] => {
  const common = [base.id, base.image, base.namespace, base.pod, base.container];
  return all.map(({ name, value, labels, at = "0" }) => ({
    name,
    timestamp: at,
    metricType: table[name].type,
    labelValues: labels.length === 0 ? common : [...common, ...labels],
    value: { value: value.toString() },
  }));
};

/** Without a container's name and image, as cAdvisor tells of a pod: sums over containers do not have it twice. */
export function podLabels(sandbox: ContainerInspect): BaseLabels {
  const { name, namespace } = podOf(sandbox.Name);
  return { id: sandbox.Id, image: "", namespace, pod: name, container: "" };
}

export const containerLabels = (container: ContainerInspect, pod: BaseLabels): BaseLabels => ({
  id: container.Id,
  image: container.Config.Image,
  namespace: pod.namespace,
  pod: pod.pod,
  container: parseContainerName(container.Name)?.name ?? "",
});

export const lifeSamples = ({ State }: ContainerInspect, now: bigint): Sample[] =>
  samples([
    ["container_last_seen", inSeconds(now, perSecond.nanos)],
    ["container_start_time_seconds", inSeconds(toNanos(State.StartedAt), perSecond.nanos)],
  ]);

export const networkSamples = (interfaces: readonly InterfaceCounters[]): Sample[] =>
  interfaces.flatMap((one) =>
    samples([
      ["container_network_receive_bytes_total", one.rxBytes, one.name],
      ["container_network_receive_packets_total", one.rxPackets, one.name],
      ["container_network_receive_packets_dropped_total", one.rxDropped, one.name],
      ["container_network_receive_errors_total", one.rxErrors, one.name],
      ["container_network_transmit_bytes_total", one.txBytes, one.name],
      ["container_network_transmit_packets_total", one.txPackets, one.name],
      ["container_network_transmit_packets_dropped_total", one.txDropped, one.name],
      ["container_network_transmit_errors_total", one.txErrors, one.name],
    ]),
  );

/** The filesystem that Docker's data is on. */
export interface Filesystem {
  device: string;
  bytes: bigint;
  inodes: bigint;
  inodesFree: bigint;
}

/** @param written what the container wrote; undefined until it has been counted, which may have been a while ago */
export const filesystemSamples = (
  { device, bytes, inodes, inodesFree }: Filesystem,
  written: FilesystemUsage | undefined,
): Sample[] => [
  ...samples([
    ["container_fs_limit_bytes", bytes, device],
    ["container_fs_inodes_total", inodes, device],
    ["container_fs_inodes_free", inodesFree, device],
  ]),
  ...samples([["container_fs_usage_bytes", toBigInt(written?.usedBytes?.value), device]]).map((sample) => ({
    ...sample,
    at: String(written?.timestamp),
  })),
];

const toBigInt = (value: { toString(): string } | undefined): bigint | undefined =>
  value === undefined ? undefined : BigInt(value.toString());

/** Of all processes of a container; what there is too much of to be counted is undefined. */
export interface ProcessCounts {
  processes: number;
  descriptors: number | undefined;
  sockets: number | undefined;
  /** Soft limit of the first process. */
  openFiles: bigint | undefined;
}

export const processSamples = ({ processes, descriptors, sockets, openFiles }: ProcessCounts): Sample[] =>
  samples([
    ["container_processes", BigInt(processes)],
    ["container_file_descriptors", descriptors === undefined ? undefined : BigInt(descriptors)],
    ["container_sockets", sockets === undefined ? undefined : BigInt(sockets)],
    ["container_ulimits_soft", openFiles, "max_open_files"],
  ]);
