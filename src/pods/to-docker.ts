/** A sandbox as Docker's pause container (pure). */
import type { ContainerCreateOptions, PortMap } from "dockerode";
import type { DNSConfig__Output } from "../generated/runtime/v1/DNSConfig.js";
import type { HostFacts } from "../host/facts.js";
import type { ImageFacts } from "../images/images.js";
import { markInherited, sandboxLabels } from "../kube/labels.js";
import { sandboxName } from "../kube/names.js";
import { clampOomScoreAdj, toCgroupParent } from "../linux/cgroup.js";
import type { PortMapping, SandboxSpec } from "./spec.js";

/** The kernel should kill anything in the pod before the process that holds its namespaces. */
const sandboxOomScoreAdj = -998;
/** The least share there is: the pause process sleeps. */
const sandboxCpuShares = 2;
const shmBytes = 64 * 1024 * 1024;

/** @param podNetwork Docker's network mode for pods that are not on the host's network */
export function toSandboxOptions(
  spec: SandboxSpec,
  image: ImageFacts,
  podNetwork: string,
  host: HostFacts,
): ContainerCreateOptions & { name: string } {
  const onHostNetwork = spec.namespaces.network === "NODE";
  return {
    name: sandboxName(spec.metadata),
    Image: image.id,
    Labels: markInherited(sandboxLabels(spec.labels, spec.annotations), image.labels),
    ...(spec.hostname !== "" && !onHostNetwork ? { Hostname: spec.hostname } : {}),
    ...(spec.user !== "" ? { User: spec.user } : {}),
    ...(onHostNetwork ? {} : { ExposedPorts: toExposedPorts(spec.ports) }),
    HostConfig: {
      NetworkMode: onHostNetwork ? "host" : podNetwork,
      IpcMode: spec.namespaces.ipc === "NODE" ? "host" : "shareable",
      PidMode: spec.namespaces.pid === "NODE" ? "host" : "",
      ...(onHostNetwork ? { UTSMode: "host" } : { PortBindings: toPortBindings(spec.ports) }),
      ...(spec.runtimeHandler !== "" ? { Runtime: spec.runtimeHandler } : {}),
      CgroupParent: toCgroupParent(spec.cgroupParent, host),
      CpuShares: sandboxCpuShares,
      OomScoreAdj: clampOomScoreAdj(sandboxOomScoreAdj, host),
      ShmSize: shmBytes,
      Sysctls: spec.sysctls,
      GroupAdd: spec.supplementalGroups,
      ReadonlyRootfs: spec.readonlyRootfs,
      SecurityOpt: ["no-new-privileges", ...spec.selinux],
      RestartPolicy: { Name: "no" },
      // The pause process says nothing; whatever the daemon's default driver is, it is not needed.
      LogConfig: { Type: "none", Config: {} },
    },
  };
}

/** resolv.conf(5) for a pod, exactly what the kubelet asked for. */
export const toResolvConf = ({ servers, searches, options }: DNSConfig__Output): string =>
  [
    ...servers.map((server) => `nameserver ${server}`),
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    "",
  ].join("\n");

const portKey = ({ containerPort, protocol }: PortMapping): string => `${containerPort}/${protocol}`;

const toExposedPorts = (ports: PortMapping[]): Record<string, object> =>
  Object.fromEntries(ports.map((port) => [portKey(port), {}]));

function toPortBindings(ports: PortMapping[]): PortMap {
  const bindings: PortMap = {};
  for (const port of ports) {
    if (port.hostPort === 0) continue;
    (bindings[portKey(port)] ??= []).push({ HostIp: port.hostIp, HostPort: String(port.hostPort) });
  }
  return bindings;
}
