/** Mounts, from CRI to Docker and back (pure). */
import { isAbsolute } from "node:path/posix";
import type { MountSettings } from "dockerode";
import type { MountInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Mount as CriMount, Mount__Output } from "../generated/runtime/v1/Mount.js";
import type { MountPropagation__Output as MountPropagation } from "../generated/runtime/v1/MountPropagation.js";
import type { HostFacts } from "../host/facts.js";

export interface Mount {
  containerPath: string;
  hostPath: string;
  readonly: boolean;
  propagation: "rprivate" | "rslave" | "rshared";
  /** Give the source a label that the container may read; only where SELinux is on. */
  relabel: boolean;
}

type Propagation = Mount["propagation"];

const propagations: Record<MountPropagation, Propagation> = {
  PROPAGATION_PRIVATE: "rprivate",
  PROPAGATION_HOST_TO_CONTAINER: "rslave",
  PROPAGATION_BIDIRECTIONAL: "rshared",
};

export function parseMount(mount: Mount__Output, field: string): Mount {
  const { containerPath, hostPath, readonly, selinuxRelabel, propagation } = mount;
  if (mount.image && mount.image.image !== "") throw notYet(`${field}.image (image volumes)`);
  if (mount.recursiveReadOnly) {
    // CRI: the four ways in which the request itself is wrong come before what we can do.
    if (!readonly) throw new CriError("invalid", `${field}.recursive_read_only is set without readonly`);
    if (propagation !== "PROPAGATION_PRIVATE") {
      throw new CriError(
        "invalid",
        `${field}.recursive_read_only needs propagation PRIVATE, not ${propagation}`,
      );
    }
    throw notYet(`${field}.recursive_read_only`);
  }
  if (mount.uidMappings.length + mount.gidMappings.length > 0)
    throw notYet(`${field}.uidMappings and gidMappings`);
  if (mount.mountOptions.length > 0) throw notYet(`${field}.mount_options`);
  if (hostPath === "") throw new CriError("invalid", `${field}.host_path is required`);
  if (!isAbsolute(containerPath)) {
    throw new CriError(
      "invalid",
      `${field}.container_path ${JSON.stringify(containerPath)} is not an absolute path`,
    );
  }
  if (!isAbsolute(hostPath)) {
    throw new CriError("invalid", `${field}.host_path ${JSON.stringify(hostPath)} is not an absolute path`);
  }
  if (typeof propagation !== "string") {
    throw new CriError("invalid", `${field}.propagation ${String(propagation)} is unknown`);
  }
  return {
    containerPath,
    hostPath,
    readonly,
    propagation: propagations[propagation],
    relabel: selinuxRelabel,
  };
}

/**
 * Docker's two ways to say a bind mount. `Mounts` takes any path; only `Binds` can ask for a relabel, and it
 * cannot hold a path with a colon.
 */
export function toDockerMounts(
  mounts: Mount[],
  host: Pick<HostFacts, "selinux">,
): { Mounts: MountSettings[]; Binds: string[] } {
  const relabelled = (mount: Mount): boolean => mount.relabel && host.selinux;
  return {
    Mounts: mounts.filter((mount) => !relabelled(mount)).map(toMount),
    Binds: mounts.filter(relabelled).map(toBind),
  };
}

export const fromDockerMount = ({ Source, Destination, RW, Propagation }: MountInspect): CriMount => ({
  containerPath: Destination,
  hostPath: Source,
  readonly: !RW,
  propagation: fromPropagation(Propagation),
});

const toMount = ({ hostPath, containerPath, readonly, propagation }: Mount): MountSettings => ({
  Type: "bind",
  Source: hostPath,
  Target: containerPath,
  ReadOnly: readonly,
  // Since API 1.44 a read-only bind is recursive unless told otherwise; CRI's readonly is not.
  BindOptions: {
    Propagation: propagation,
    ...(readonly ? { ReadOnlyNonRecursive: true } : {}),
  },
});

const toBind = ({ hostPath, containerPath, readonly, propagation }: Mount): string =>
  `${hostPath}:${containerPath}:${[readonly ? "ro" : "rw", propagation, "Z"].join(",")}`;

function fromPropagation(value: string): MountPropagation {
  if (value === "rshared" || value === "shared") return "PROPAGATION_BIDIRECTIONAL";
  if (value === "rslave" || value === "slave") return "PROPAGATION_HOST_TO_CONTAINER";
  return "PROPAGATION_PRIVATE";
}

const notYet = (what: string): CriError => new CriError("unimplemented", `${what} is not supported yet`);
