/** A pause container as CRI reports it (pure). */
import type { ContainerInspect } from "../docker/engine.js";
import { toNanos } from "../docker/time.js";
import type { PodSandbox } from "../generated/runtime/v1/PodSandbox.js";
import type { PodSandboxFilter__Output } from "../generated/runtime/v1/PodSandboxFilter.js";
import type { PodSandboxNetworkStatus } from "../generated/runtime/v1/PodSandboxNetworkStatus.js";
import type { PodSandboxStatus } from "../generated/runtime/v1/PodSandboxStatus.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels } from "../kube/labels.js";
import { podOf } from "../kube/names.js";
import { fromHostConfig } from "../linux/namespaces.js";

export const sandboxState = ({ State }: ContainerInspect): "SANDBOX_READY" | "SANDBOX_NOTREADY" =>
  State.Running ? "SANDBOX_READY" : "SANDBOX_NOTREADY";

export const toPodSandbox = (sandbox: ContainerInspect, defaultRuntime: string): PodSandbox => ({
  id: sandbox.Id,
  metadata: podOf(sandbox.Name),
  state: sandboxState(sandbox),
  createdAt: toNanos(sandbox.Created).toString(),
  ...fromLabels(sandbox.Config.Labels),
  runtimeHandler: runtimeHandlerOf(sandbox, defaultRuntime),
});

export const toPodSandboxStatus = (sandbox: ContainerInspect, defaultRuntime: string): PodSandboxStatus => ({
  ...toPodSandbox(sandbox, defaultRuntime),
  network: toNetworkStatus(sandbox),
  linux: { namespaces: { options: { ...fromHostConfig(sandbox.HostConfig), pid: sandboxPid(sandbox) } } },
});

/** Filters are joined by AND; an id matches by prefix. */
export const matchesFilter = (item: PodSandbox, filter: PodSandboxFilter__Output | null): boolean =>
  !filter ||
  ((item.id ?? "").startsWith(filter.id) &&
    (!filter.state || filter.state.state === item.state) &&
    matchesLabels(item.labels ?? {}, filter.labelSelector));

/** Every address of the pod, IPv4 before IPv6; nothing for a pod on the host's network. */
function toNetworkStatus({ HostConfig, NetworkSettings }: ContainerInspect): PodSandboxNetworkStatus {
  if (HostConfig.NetworkMode === "host") return {};
  const networks = Object.values(NetworkSettings.Networks ?? {});
  const [ip, ...more] = [
    ...networks.map(({ IPAddress }) => IPAddress),
    ...networks.map(({ GlobalIPv6Address }) => GlobalIPv6Address),
  ].filter((address) => address !== "");
  return { ip: ip ?? "", additionalIps: more.map((address) => ({ ip: address })) };
}

/** A pause container has its own pid namespace both for POD and for CONTAINER; POD is what it offers. */
const sandboxPid = ({ HostConfig }: ContainerInspect) => (HostConfig.PidMode === "host" ? "NODE" : "POD");

/** Docker names its default runtime where none was asked for. */
const runtimeHandlerOf = ({ HostConfig }: ContainerInspect, defaultRuntime: string): string =>
  HostConfig.Runtime === defaultRuntime ? "" : HostConfig.Runtime;
