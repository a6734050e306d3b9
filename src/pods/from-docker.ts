/** A pause container as CRI reports it (pure). */
import type { ContainerInspect } from "../docker/engine.js";
import { toNanos } from "../docker/time.js";
import type { PodSandbox } from "../generated/runtime/v1/PodSandbox.js";
import type { PodSandboxFilter__Output } from "../generated/runtime/v1/PodSandboxFilter.js";
import type { PodSandboxNetworkStatus } from "../generated/runtime/v1/PodSandboxNetworkStatus.js";
import type { PodSandboxStatus } from "../generated/runtime/v1/PodSandboxStatus.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels, runtimeHandlerLabel } from "../kube/labels.js";
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

/** @param addresses the pod's, the primary one first; none for a pod on the host's network */
export const toPodSandboxStatus = (
  sandbox: ContainerInspect,
  addresses: string[],
  defaultRuntime: string,
): PodSandboxStatus => ({
  ...toPodSandbox(sandbox, defaultRuntime),
  network: toNetworkStatus(addresses),
  linux: { namespaces: { options: { ...fromHostConfig(sandbox.HostConfig), pid: sandboxPid(sandbox) } } },
});

/** Filters are joined by AND; an id matches by prefix. */
export const matchesFilter = (item: PodSandbox, filter: PodSandboxFilter__Output | null): boolean =>
  !filter ||
  ((item.id ?? "").startsWith(filter.id) &&
    (!filter.state || filter.state.state === item.state) &&
    matchesLabels(item.labels ?? {}, filter.labelSelector));

function toNetworkStatus([ip, ...more]: string[]): PodSandboxNetworkStatus {
  return ip === undefined ? {} : { ip, additionalIps: more.map((address) => ({ ip: address })) };
}

/** A pause container has its own pid namespace both for POD and for CONTAINER; POD is what it offers. */
const sandboxPid = ({ HostConfig }: ContainerInspect) => (HostConfig.PidMode === "host" ? "NODE" : "POD");

/** What was asked for; of a predecessor's pod only the runtime is known, Docker's default one where it asked for none. */
const runtimeHandlerOf = ({ Config, HostConfig }: ContainerInspect, defaultRuntime: string): string =>
  Config.Labels[runtimeHandlerLabel] ?? (HostConfig.Runtime === defaultRuntime ? "" : HostConfig.Runtime);
