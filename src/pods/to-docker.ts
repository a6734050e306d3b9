/** A sandbox as Docker's pause container (pure). */
import type { ContainerCreateOptions, PortMap } from "dockerode";
import type { DNSConfig__Output } from "../generated/runtime/v1/DNSConfig.js";
import type { HostFacts } from "../host/facts.js";
import type { ImageFacts } from "../images/images.js";
import { markInherited, sandboxLabels } from "../kube/labels.js";
import { sandboxName } from "../kube/names.js";
import { clampOomScoreAdj, toCgroupParent } from "../linux/cgroup.js";
import { toConfinement } from "../linux/confinement.js";
import type { Identity } from "../linux/identity.js";
import type { SandboxNetwork } from "../network/pod-network.js";
import type { PortMapping } from "../network/port-mapping.js";
import type { SandboxSpec } from "./spec.js";

/** The kernel should kill anything in the pod before the process that holds its namespaces. */
const sandboxOomScoreAdj = -998;
/** The least share there is: the pause process sleeps. */
const sandboxCpuShares = 2;
const shmBytes = 64 * 1024 * 1024;

/** What is known only when a sandbox is created. */
interface Extras {
  /** Docker's; empty for the engine's default. */
  runtime: string;
  /** As whom the pause process runs; undefined for what its image says. */
  identity: Identity | undefined;
  /** The text of the localhost profile that it asks for. */
  seccomp: string | undefined;
}

/** @param podNetwork that of a pod which is not on the host's network */
export function toSandboxOptions(
  spec: SandboxSpec,
  image: ImageFacts,
  podNetwork: SandboxNetwork | undefined,
  host: HostFacts,
  { runtime, identity, seccomp }: Extras,
): ContainerCreateOptions & { name: string } {
  return {
    name: sandboxName(spec.metadata),
    Image: image.id,
    Labels: markInherited(sandboxLabels(spec.labels, spec.annotations, spec.runtimeHandler), image.labels),
    ...(spec.hostname !== "" && podNetwork ? { Hostname: spec.hostname } : {}),
    ...(identity ? { User: `${identity.uid}:${identity.gid}` } : {}),
    ...(podNetwork ? { ExposedPorts: toExposedPorts(podNetwork.ports) } : {}),
    HostConfig: {
      NetworkMode: podNetwork?.mode ?? "host",
      IpcMode: spec.namespaces.ipc === "NODE" ? "host" : "shareable",
      PidMode: spec.namespaces.pid === "NODE" ? "host" : "",
      ...(podNetwork ? { PortBindings: toPortBindings(podNetwork.ports) } : { UTSMode: "host" }),
      ...(runtime !== "" ? { Runtime: runtime } : {}),
      CgroupParent: toCgroupParent(spec.cgroupParent, host),
      CpuShares: sandboxCpuShares,
      OomScoreAdj: clampOomScoreAdj(sandboxOomScoreAdj, host),
      ShmSize: shmBytes,
      Sysctls: spec.sysctls,
      GroupAdd: identity?.groups.map(String) ?? [],
      ...toConfinement(spec.confinement, host, seccomp),
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
