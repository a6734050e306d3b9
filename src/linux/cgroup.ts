/** Cgroup parents and oom scores as Docker wants them (pure). */
import { basename } from "node:path/posix";
import { CriError } from "../errors.js";
import type { HostFacts } from "../host/facts.js";

/**
 * The kubelet's cgroup parent in Docker's form. With cgroupfs both use a path. With systemd the kubelet
 * still writes a path of slices (/kubepods.slice/kubepods-burstable.slice/…) while Docker takes the last
 * slice's name alone, since that implies its parents.
 */
export function toCgroupParent(parent: string, host: Pick<HostFacts, "cgroupDriver">): string {
  if (parent === "" || host.cgroupDriver === "cgroupfs") return parent;
  const slice = basename(parent);
  if (!slice.endsWith(".slice")) {
    throw new CriError(
      "invalid",
      `cgroup_parent ${JSON.stringify(parent)} is not a systemd slice, but the Docker Engine uses the systemd cgroup driver; give the kubelet --cgroup-driver=systemd`,
    );
  }
  return slice;
}

/** The nearest oom_score_adj that is possible on this host, within the kernel's -1000 to 1000. */
export const clampOomScoreAdj = (wanted: number, host: Pick<HostFacts, "minOomScoreAdj">): number =>
  Math.min(1000, Math.max(wanted, host.minOomScoreAdj, -1000));
