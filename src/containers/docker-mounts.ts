/** Mounts, as Docker makes them or binds what we have made (pure). */
import { join } from "node:path/posix";
import type { EngineMount } from "../docker/engine.js";
import { CriError } from "../errors.js";
import { hasApi } from "../docker/api-version.js";
import type { HostFacts } from "../host/facts.js";
import type { MountRecord } from "../kube/mount-records.js";
import type { Mount } from "./mounts.js";

export interface MountExtras {
  /** Where those are that are made by us, by their numbers. */
  folder: string;
  /** The ids of the images that are mounted, by the names that they were asked for by. */
  imageIds: ReadonlyMap<string, string>;
  /** The container's; one of the engine's. */
  runtime: string;
}

export interface DockerMounts {
  Mounts: EngineMount[];
  Binds: string[];
  /** Of those that Docker does not know in full. */
  records: MountRecord[];
}

type MountHost = Pick<HostFacts, "selinux" | "apiVersion" | "storageDriver" | "recursiveReadOnlyRuntimes">;

/**
 * Docker's two ways to say a bind mount. `Mounts` takes any path; only `Binds` can ask for a relabel, and it
 * cannot hold a path with a colon.
 */
export function toDockerMounts(mounts: Mount[], host: MountHost, extras: MountExtras): DockerMounts {
  const made = mounts.map((mount, index) => toDocker(mount, host, extras, index));
  return {
    Mounts: made.flatMap(({ mount }) => mount ?? []),
    Binds: made.flatMap(({ bind }) => bind ?? []),
    records: made.flatMap(({ record }) => record ?? []),
  };
}

interface Made {
  mount?: EngineMount;
  bind?: string;
  record?: MountRecord;
}

function toDocker(mount: Mount, host: MountHost, extras: MountExtras, index: number): Made {
  const { source } = mount;
  const relabel = mount.relabel && host.selinux;
  const record = toRecord(mount, extras.imageIds);
  const byDocker = isDockers(mount, host, extras.runtime);
  const path = join(extras.folder, String(index));
  if (source.kind === "image") {
    // Layers have a label that every container may read.
    return byDocker ? { record, mount: toImageMount(record) } : toPrepared(record, path);
  }
  if (byDocker) {
    const made = relabel ? { bind: toBind(mount, source.path) } : { mount: toBindMount(mount, source.path) };
    return mount.recursiveReadOnly ? { ...made, record } : made;
  }
  if (!relabel) return toPrepared(record, path);
  if (mount.readonly) {
    throw new CriError(
      "unimplemented",
      `${mount.field}.selinux_relabel: Docker sets labels through the mount that it is given, and that is read-only`,
    );
  }
  return { record: { ...record, prepared: path }, bind: toBind(mount, path) };
}

/**
 * Whether Docker can be told all of it: recursive read-only since API 1.44, images since API 1.48. Its image mounts
 * look for a sub path no sooner than at the start, and follow an image's absolute links on the host, so they are for
 * where layers are not ours to mount.
 */
function isDockers({ source, options, recursiveReadOnly }: Mount, host: MountHost, runtime: string): boolean {
  if (options.length > 0) return false;
  if (source.kind === "image") {
    return host.storageDriver !== "overlay2" && hasApi(host.apiVersion, "1.48");
  }
  return !recursiveReadOnly || host.recursiveReadOnlyRuntimes.includes(runtime);
}

/** What we mount has all its options already, and a remount of the runtime's would take them away again. */
const toPrepared = (record: MountRecord, path: string): Made => ({
  record: { ...record, prepared: path },
  mount: {
    Type: "bind",
    Source: path,
    Target: record.containerPath,
    ReadOnly: false,
    BindOptions: { Propagation: record.propagation },
  },
});

const toBindMount = (
  { containerPath, readonly, recursiveReadOnly, propagation }: Mount,
  hostPath: string,
): EngineMount => ({
  Type: "bind",
  Source: hostPath,
  Target: containerPath,
  ReadOnly: readonly,
  // Since API 1.44 a read-only bind is recursive where that is possible, unless told otherwise; CRI's readonly is not.
  BindOptions: {
    Propagation: propagation,
    // As other runtimes do it, at the container's every start (API 1.42; before, it is ours to do).
    CreateMountpoint: true,
    ...(readonly && !recursiveReadOnly ? { ReadOnlyNonRecursive: true } : {}),
    ...(recursiveReadOnly ? { ReadOnlyForceRecursive: true } : {}),
  },
});

const toImageMount = ({ containerPath, image }: MountRecord): EngineMount => ({
  Type: "image",
  Source: image?.id ?? "",
  Target: containerPath,
  ReadOnly: true,
  ...(image?.subPath ? { ImageOptions: { Subpath: image.subPath } } : {}),
});

/** Read-only is recursive here where that is possible; there is no word for the other. */
function toBind({ field, containerPath, readonly, propagation }: Mount, hostPath: string): string {
  for (const [name, path] of [
    ["host_path", hostPath],
    ["container_path", containerPath],
  ] as const) {
    if (!path.includes(":")) continue;
    throw new CriError(
      "unimplemented",
      `${field}.${name} ${JSON.stringify(path)} has a colon, and Docker gives no SELinux label to such a mount`,
    );
  }
  return `${hostPath}:${containerPath}:${[readonly ? "ro" : "rw", propagation, "Z"].join(",")}`;
}

const toRecord = (mount: Mount, imageIds: MountExtras["imageIds"]): MountRecord => ({
  containerPath: mount.containerPath,
  ...(mount.source.kind === "host"
    ? { hostPath: mount.source.path }
    : {
        image: {
          image: mount.source.image,
          userSpecifiedImage: mount.source.userSpecifiedImage,
          id: imageIds.get(mount.source.image) ?? "",
          subPath: mount.source.subPath,
        },
      }),
  readonly: mount.readonly,
  recursiveReadOnly: mount.recursiveReadOnly,
  options: mount.options,
  propagation: mount.propagation,
});
