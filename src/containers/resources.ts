/** CPU, memory and their kin, from CRI to Docker and back (pure). */
import type { HostConfig } from "dockerode";
import type { HostConfigInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from "../generated/runtime/v1/LinuxContainerResources.js";
import type { HostFacts } from "../host/facts.js";
import { clampOomScoreAdj } from "../linux/cgroup.js";

/** Names what Docker's API cannot express or what can never be right. */
export function checkResources(resources: LinuxContainerResources__Output, field: string): void {
  const huge = resources.hugepageLimits.find(({ limit }) => limit !== "0");
  if (huge)
    throw new CriError("unimplemented", `${field}.hugepage_limits (${huge.pageSize}) are not supported yet`);
  if (Object.keys(resources.unified).length > 0) {
    throw new CriError("unimplemented", `${field}.unified is not supported yet`);
  }
  for (const [name, value] of Object.entries({
    cpu_period: resources.cpuPeriod,
    cpu_shares: resources.cpuShares,
    memory_limit_in_bytes: resources.memoryLimitInBytes,
  })) {
    if (value.startsWith("-")) throw new CriError("invalid", `${field}.${name} is negative: ${value}`);
  }
}

/** Zero means "not set" in both worlds. */
export function toResources(
  resources: LinuxContainerResources__Output | undefined,
  host: Pick<HostFacts, "minOomScoreAdj">,
): HostConfig {
  if (!resources) return {};
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
    OomScoreAdj: clampOomScoreAdj(Number(resources.oomScoreAdj), host),
  };
}

export const fromHostConfig = (config: HostConfigInspect): LinuxContainerResources => ({
  cpuShares: config.CpuShares,
  cpuQuota: config.CpuQuota,
  cpuPeriod: config.CpuPeriod,
  cpusetCpus: config.CpusetCpus,
  cpusetMems: config.CpusetMems,
  memoryLimitInBytes: config.Memory,
  memorySwapLimitInBytes: config.MemorySwap,
  oomScoreAdj: config.OomScoreAdj,
});
