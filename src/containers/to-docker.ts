/** A CRI container as Docker creates it (pure). */
import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { ContainerInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import { hasApi } from "../docker/api-version.js";
import type { HostFacts } from "../host/facts.js";
import type { ImageFacts } from "../images/images.js";
import { containerLabels, markInherited } from "../kube/labels.js";
import { toMountsLabel } from "../kube/mount-records.js";
import { containerName, podOf } from "../kube/names.js";
import type { Identity } from "../linux/identity.js";
import type { Namespaces } from "../linux/namespaces.js";
import { toDockerMounts, type MountExtras } from "./docker-mounts.js";
import { toResources } from "./resources.js";
import { toSecurity } from "./security.js";
import type { ContainerSpec } from "./spec.js";

/** What is known only when a container is created. */
interface Extras {
  /** As whom it runs. */
  identity: Identity;
  /** The text of the localhost profile that it asks for. */
  seccomp: string | undefined;
  logDriver: { Type: string; Config: Record<string, string> };
  mounts: Omit<MountExtras, "runtime">;
}

export function toContainerOptions(
  spec: ContainerSpec,
  sandbox: ContainerInspect,
  image: ImageFacts,
  host: HostFacts,
  { identity, seccomp, logDriver, mounts }: Extras,
): ContainerCreateOptions & { name: string } {
  const runtime = sandbox.HostConfig.Runtime || host.defaultRuntime;
  const { Mounts, Binds, records } = toDockerMounts(spec.mounts, host, { ...mounts, runtime });
  return {
    name: containerName(podOf(sandbox.Name), spec.metadata),
    // By the name it was asked for: that is what lists show. The kubelet asks by id.
    Image: spec.image,
    // Docker inherits the image's entrypoint only where the field is absent; proto has no absent list.
    ...(spec.command.length > 0 ? { Entrypoint: spec.command } : {}),
    ...(spec.args.length > 0 ? { Cmd: spec.args } : {}),
    ...(spec.workingDir !== "" ? { WorkingDir: spec.workingDir } : {}),
    // In numbers, which nothing in the image can give another meaning.
    User: `${identity.uid}:${identity.gid}`,
    ...(spec.stopSignal !== undefined ? { StopSignal: spec.stopSignal } : {}),
    Env: spec.env,
    Labels: markInherited(
      {
        ...containerLabels(spec.labels, spec.annotations, sandbox.Id, spec.logPath),
        ...toMountsLabel(records),
      },
      image.labels,
    ),
    OpenStdin: spec.stdin,
    StdinOnce: spec.stdinOnce,
    Tty: spec.tty,
    // The kubelet probes containers itself.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      ...toNamespaceModes(spec.security.namespaces, sandbox),
      ...toResources(spec.resources, host),
      ...toSecurity(spec.security, host, seccomp),
      GroupAdd: identity.groups.map(String),
      Mounts,
      Binds,
      ...(sandbox.HostConfig.Runtime !== "" ? { Runtime: sandbox.HostConfig.Runtime } : {}),
      CgroupParent: sandbox.HostConfig.CgroupParent,
      Devices: spec.devices.map(({ hostPath, containerPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath || hostPath,
        CgroupPermissions: permissions || "rwm",
      })),
      ...toDeviceRequests(spec.cdiDevices, host),
      // Whatever the daemon's default is.
      LogConfig: logDriver,
    },
  };
}

/** @throws CriError unimplemented for an engine without CDI */
function toDeviceRequests(names: string[], { apiVersion, engineVersion }: HostFacts): HostConfig {
  if (names.length === 0) return {};
  if (!hasApi(apiVersion, "1.44")) {
    throw new CriError(
      "unimplemented",
      `config.CDI_devices need Docker Engine 25 or newer (with its feature "cdi"), and this is ${engineVersion}`,
    );
  }
  return { DeviceRequests: [{ Driver: "cdi", DeviceIDs: names }] };
}

function toNamespaceModes({ pid, target }: Namespaces, sandbox: ContainerInspect): HostConfig {
  const pidModes = {
    POD: `container:${sandbox.Id}`,
    CONTAINER: "",
    NODE: "host",
    TARGET: `container:${target}`,
  };
  return {
    NetworkMode: `container:${sandbox.Id}`,
    IpcMode: `container:${sandbox.Id}`,
    PidMode: pidModes[pid],
    ...(sandbox.HostConfig.NetworkMode === "host" ? { UTSMode: "host" } : {}),
  };
}
