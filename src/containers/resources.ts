/** CPU, memory and their kin, from CRI to Docker and back (pure). */
import type { HostConfig } from "dockerode";
import type { ContainerUpdate, HostConfigInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from "../generated/runtime/v1/LinuxContainerResources.js";
import type { HostFacts } from "../host/facts.js";
import { clampOomScoreAdj } from "../linux/cgroup.js";
import { checkCgroupLimits } from "../linux/cgroup-files.js";
import type { ExtraResources } from "./extra-resources.js";

/** @throws CriError invalid for what can never be right */
export function checkResources(resources: LinuxContainerResources__Output, field: string): void {
  checkCgroupLimits(resources, field);
  for (const [name, value] of Object.entries({
    cpu_period: resources.cpuPeriod,
    cpu_shares: resources.cpuShares,
    memory_limit_in_bytes: resources.memoryLimitInBytes,
  })) {
    if (value.startsWith("-")) throw new CriError("invalid", `${field}.${name} is negative: ${value}`);
  }
}

/** Zero means "not set" in both worlds. */
function toLimits(resources: LinuxContainerResources__Output): Required<ContainerUpdate> {
  const memory = Number(resources.memoryLimitInBytes);
  return {
    CpuShares: Number(resources.cpuShares),
    CpuQuota: Number(resources.cpuQuota),
    CpuPeriod: Number(resources.cpuPeriod),
    CpusetCpus: resources.cpusetCpus,
    CpusetMems: resources.cpusetMems,
    Memory: memory,
    // Equal to Memory: no swap. Docker would allow as much again where it is not set.
    MemorySwap: Number(resources.memorySwapLimitInBytes) || memory,
  };
}

export function toResources(
  resources: LinuxContainerResources__Output | undefined,
  host: Pick<HostFacts, "minOomScoreAdj">,
): HostConfig {
  if (!resources) return {};
  return { ...toLimits(resources), OomScoreAdj: clampOomScoreAdj(Number(resources.oomScoreAdj), host) };
}

/** A change of a container that is there; zero leaves what it is. */
export const toUpdate = (resources: LinuxContainerResources__Output): ContainerUpdate =>
  Object.fromEntries(Object.entries(toLimits(resources)).filter(([, value]) => value !== 0 && value !== ""));

/**
 * What a container has beyond what Docker holds, after a change; undefined for nothing.
 * @param before what it had
 * @param oomScoreAdj Docker's own, from when the container was made
 */
export function toExtra(
  resources: LinuxContainerResources__Output,
  before: ExtraResources | undefined,
  oomScoreAdj: number,
  host: Pick<HostFacts, "minOomScoreAdj">,
): ExtraResources | undefined {
  const sizes = new Map((before?.hugepageLimits ?? []).map(({ pageSize, limit }) => [pageSize, limit]));
  for (const { pageSize, limit } of resources.hugepageLimits) sizes.set(pageSize, limit);
  const wanted =
    resources.oomScoreAdj === "0"
      ? (before?.oomScoreAdj ?? oomScoreAdj)
      : clampOomScoreAdj(Number(resources.oomScoreAdj), host);
  const extra: ExtraResources = {
    unified: { ...before?.unified, ...resources.unified },
    hugepageLimits: [...sizes].map(([pageSize, limit]) => ({ pageSize, limit })),
    oomScoreAdj: wanted === oomScoreAdj ? undefined : wanted,
  };
  const isNothing =
    Object.keys(extra.unified).length + extra.hugepageLimits.length === 0 && wanted === oomScoreAdj;
  return isNothing && !before ? undefined : extra;
}

/** @param extra what Docker does not know */
export const fromHostConfig = (
  config: HostConfigInspect,
  extra?: ExtraResources,
): LinuxContainerResources => ({
  cpuShares: config.CpuShares,
  cpuQuota: config.CpuQuota,
  cpuPeriod: config.CpuPeriod,
  cpusetCpus: config.CpusetCpus,
  cpusetMems: config.CpusetMems,
  memoryLimitInBytes: config.Memory,
  memorySwapLimitInBytes: config.MemorySwap,
  oomScoreAdj: extra?.oomScoreAdj ?? config.OomScoreAdj,
  unified: extra?.unified ?? {},
  hugepageLimits: extra?.hugepageLimits ?? [],
});
