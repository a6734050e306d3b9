/** Mounts, as a client asks for them and as it is told of them (pure). */
import { isAbsolute, normalize } from "node:path/posix";
import type { MountInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Mount as CriMount, Mount__Output } from "../generated/runtime/v1/Mount.js";
import type { MountPropagation__Output as MountPropagation } from "../generated/runtime/v1/MountPropagation.js";
import type { MountRecord } from "../kube/mount-records.js";
import { checkOptions } from "../mounts/options.js";

export interface Mount {
  /** Where in the request it is, for errors. */
  field: string;
  /** Without a slash at the end, "." or "..". */
  containerPath: string;
  source: HostPath | Image;
  readonly: boolean;
  /** Also what is mounted below it. */
  recursiveReadOnly: boolean;
  propagation: "rprivate" | "rslave" | "rshared";
  /** Give the source a label that the container may read; only where SELinux is on. */
  relabel: boolean;
  /** Mount options beside "ro", of the mount alone. */
  options: string[];
}

interface HostPath {
  kind: "host";
  path: string;
}

interface Image {
  kind: "image";
  /** As it was asked for. */
  image: string;
  userSpecifiedImage: string;
  /** Relative; empty for the whole image. */
  subPath: string;
}

type Propagation = Mount["propagation"];

const propagations: Record<MountPropagation, Propagation> = {
  PROPAGATION_PRIVATE: "rprivate",
  PROPAGATION_HOST_TO_CONTAINER: "rslave",
  PROPAGATION_BIDIRECTIONAL: "rshared",
};

/** @throws CriError invalid when two mounts have one place */
export function parseMounts(mounts: Mount__Output[], field: string): Mount[] {
  const parsed = mounts.map((mount, index) => parseMount(mount, `${field}[${index}]`));
  for (const [index, { containerPath }] of parsed.entries()) {
    const first = parsed.findIndex((other) => other.containerPath === containerPath);
    if (first === index) continue;
    const path = JSON.stringify(containerPath);
    throw new CriError(
      "invalid",
      `${field}[${index}].container_path ${path} is that of ${field}[${first}] as well`,
    );
  }
  return parsed;
}

export function parseMount(mount: Mount__Output, field: string): Mount {
  const { readonly, propagation, recursiveReadOnly, mountOptions } = mount;
  const invalid = (what: string): CriError => new CriError("invalid", `${field}.${what}`);
  if (typeof propagation !== "string") throw invalid(`propagation ${String(propagation)} is unknown`);
  if (mount.uidMappings.length + mount.gidMappings.length > 0) {
    throw new CriError(
      "unimplemented",
      `${field}.uidMappings and gidMappings: Docker has no user namespace of a pod's own`,
    );
  }
  if (recursiveReadOnly) {
    // CRI's two conditions.
    if (!readonly) throw invalid("recursive_read_only is set without readonly");
    if (propagation !== "PROPAGATION_PRIVATE") {
      throw invalid(`recursive_read_only needs propagation PRIVATE, not ${propagation}`);
    }
  }
  const containerPath = JSON.stringify(mount.containerPath);
  if (!isAbsolute(mount.containerPath))
    throw invalid(`container_path ${containerPath} is not an absolute path`);
  const path = normalize(mount.containerPath).replace(/(.)\/$/, "$1");
  if (path === "/") throw invalid(`container_path ${containerPath} is the container's root`);
  checkOptions(mountOptions, `${field}.mount_options`);
  return {
    field,
    containerPath: path,
    source: parseSource(mount, invalid),
    readonly,
    recursiveReadOnly,
    propagation: propagations[propagation],
    relabel: mount.selinuxRelabel,
    options: mountOptions,
  };
}

function parseSource(mount: Mount__Output, invalid: (what: string) => CriError): HostPath | Image {
  const { hostPath, image, imageSubPath, readonly, propagation } = mount;
  if (!image || image.image === "") {
    if (imageSubPath !== "") throw invalid("image_sub_path is set without image");
    if (hostPath === "") throw invalid("host_path is required");
    if (!isAbsolute(hostPath)) throw invalid(`host_path ${JSON.stringify(hostPath)} is not an absolute path`);
    return { kind: "host", path: hostPath };
  }
  // Kubernetes' enhancement proposal 4639: an image is never written to. critest wants the error.
  if (!readonly) throw invalid("image is set without readonly");
  if (hostPath !== "") throw invalid("host_path and image are both set");
  if (propagation === "PROPAGATION_BIDIRECTIONAL") {
    throw invalid("propagation BIDIRECTIONAL: an image has nowhere to propagate to");
  }
  const subPath = JSON.stringify(imageSubPath);
  if (isAbsolute(imageSubPath)) throw invalid(`image_sub_path ${subPath} is not a relative path`);
  if (imageSubPath.split("/").includes("..")) throw invalid(`image_sub_path ${subPath} has ".."`);
  return {
    kind: "image",
    image: image.image,
    userSpecifiedImage: image.userSpecifiedImage,
    subPath: imageSubPath,
  };
}

/** @param records what is known beside what Docker says */
export function fromDockerMount(mount: MountInspect, records: MountRecord[]): CriMount {
  const record = records.find(({ containerPath }) => containerPath === mount.Destination);
  if (record) return fromRecord(record);
  return {
    containerPath: mount.Destination,
    hostPath: mount.Source,
    readonly: !mount.RW,
    propagation: fromPropagation(mount.Propagation),
  };
}

const fromRecord = (record: MountRecord): CriMount => ({
  containerPath: record.containerPath,
  ...(record.hostPath === undefined ? {} : { hostPath: record.hostPath }),
  readonly: record.readonly,
  recursiveReadOnly: record.recursiveReadOnly,
  propagation: fromPropagation(record.propagation),
  mountOptions: record.options,
  ...(record.image === undefined
    ? {}
    : {
        image: {
          image: record.image.image,
          userSpecifiedImage: record.image.userSpecifiedImage,
          imageRef: record.image.id,
        },
        imageSubPath: record.image.subPath,
      }),
});

function fromPropagation(value: string): MountPropagation {
  if (value === "rshared" || value === "shared") return "PROPAGATION_BIDIRECTIONAL";
  if (value === "rslave" || value === "slave") return "PROPAGATION_HOST_TO_CONTAINER";
  return "PROPAGATION_PRIVATE";
}
