/** RuntimeService, one entry per RPC: parse the request, call the domain, shape the reply. */
import { matchesFilter as matchesContainer } from "../containers/from-docker.js";
import { execSync, type ExecSyncDependencies } from "../containers/exec-sync.js";
import type { Containers } from "../containers/containers.js";
import { parseContainerConfig } from "../containers/spec.js";
import type { ContainerInspect } from "../docker/engine.js";
import { checkResources } from "../containers/resources.js";
import type { Clock } from "../clock.js";
import { CriError } from "../errors.js";
import type { RuntimeServiceDefinition } from "../generated/runtime/v1/RuntimeService.js";
import type { ContainerEvents } from "../events/container-events.js";
import type { HostFacts } from "../host/facts.js";
import type { RuntimeHandlers } from "../host/runtime-handlers.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Metrics } from "../metrics/collector.js";
import { parsePodCidrs } from "../network/pod-cidr.js";
import type { PodNetwork } from "../network/pod-network.js";
import { matchesFilter as matchesSandbox } from "../pods/from-docker.js";
import type { Pods } from "../pods/pods.js";
import { parseSandboxConfig } from "../pods/spec.js";
import type { Stats } from "../stats/collector.js";
import type { Streaming } from "../streaming/streaming.js";
import type { Service } from "./context.js";
import { inParts } from "./in-parts.js";
import type { Reports } from "./reports.js";
import { checkKnown, required, seconds } from "./required.js";
import { toStatus } from "./runtime-status.js";

/** RPCs that are not built yet; they answer UNIMPLEMENTED. */
export type LaterRuntimeRpc = "CheckpointContainer" | "CheckpointPod" | "RestorePod";

type StreamingRpc =
  | "StreamPodSandboxes"
  | "StreamContainers"
  | "StreamContainerStats"
  | "StreamPodSandboxStats"
  | "StreamPodSandboxMetrics"
  | "GetContainerEvents";

export type RuntimeService = Service<RuntimeServiceDefinition, StreamingRpc, LaterRuntimeRpc>;

export interface RuntimeDomain {
  pods: Pods;
  containers: Containers;
  inventory: Inventory;
  network: PodNetwork;
  host: { facts(): Promise<HostFacts> };
  runtimeHandlers: RuntimeHandlers;
  exec: ExecSyncDependencies;
  streaming: Streaming;
  stats: Stats;
  reports: Reports;
  events: ContainerEvents;
  metrics: Metrics;
  clock: Clock;
  /** Our own settings, as Status shows them when asked for more. */
  settings: object;
}

/** The kubelet up to 1.20 insists on this version of its own runtime API. */
const kubeletApiVersion = "0.1.0";
/** The name that container ids carry in the kubelet's status: docker://<id>. */
const runtimeName = "docker";

export function runtimeService(domain: RuntimeDomain): RuntimeService {
  const { pods, containers, inventory, network, host, exec, streaming, clock } = domain;
  const { stats, metrics, reports, events } = domain;

  /** For `crictl inspectp`: whether the plugins still find what they made. */
  const networkInfo = async (sandbox: ContainerInspect): Promise<Record<string, string>> =>
    sandbox.State.Running ? { networkCheck: (await network.check(sandbox)) ?? "ok" } : {};

  return {
    Version: async (_, { apiVersion }) => ({
      version: kubeletApiVersion,
      runtimeName,
      runtimeVersion: (await host.facts()).engineVersion,
      runtimeApiVersion: apiVersion,
    }),

    Status: async ({ verbose }) => await toStatus(domain, verbose),

    RuntimeConfig: async () => ({
      linux: { cgroupDriver: (await host.facts()).cgroupDriver === "systemd" ? "SYSTEMD" : "CGROUPFS" },
    }),

    UpdateRuntimeConfig: async ({ runtimeConfig }) => {
      const field = "runtime_config.network_config.pod_cidr";
      await network.setPodCidrs(parsePodCidrs(runtimeConfig?.networkConfig?.podCidr ?? "", field));
      return {};
    },

    RunPodSandbox: async ({ config, runtimeHandler }, { signal }) => ({
      podSandboxId: await pods.run(parseSandboxConfig(config, runtimeHandler), signal),
    }),

    StartPodSandbox: async ({ podSandboxId }) => {
      await pods.start(required(podSandboxId, "pod_sandbox_id"));
      return {};
    },

    StopPodSandbox: async ({ podSandboxId }) => {
      await pods.stop(required(podSandboxId, "pod_sandbox_id"));
      return {};
    },

    RemovePodSandbox: async ({ podSandboxId }) => {
      await pods.remove(required(podSandboxId, "pod_sandbox_id"));
      return {};
    },

    PodSandboxStatus: async ({ podSandboxId, verbose }) => {
      const sandbox = await inventory.get("podsandbox", required(podSandboxId, "pod_sandbox_id"));
      const { podSandboxStatus, containersStatuses } = await reports.pod(sandbox);
      return {
        status: podSandboxStatus,
        containersStatuses,
        timestamp: clock.now().toString(),
        ...(verbose && { info: { ...verboseInfo(sandbox), ...(await networkInfo(sandbox)) } }),
      };
    },

    ListPodSandbox: async ({ filter }) => {
      checkKnown(filter?.state?.state, "filter.state.state");
      return { items: (await reports.sandboxes()).filter((item) => matchesSandbox(item, filter)) };
    },

    async *StreamPodSandboxes({ filter }) {
      checkKnown(filter?.state?.state, "filter.state.state");
      const items = (await reports.sandboxes()).filter((item) => matchesSandbox(item, filter));
      for (const podSandboxes of inParts(items)) yield { podSandboxes };
    },

    CreateContainer: async ({ podSandboxId, config, sandboxConfig }, { signal }) => ({
      containerId: await containers.create(
        required(podSandboxId, "pod_sandbox_id"),
        parseContainerConfig(config, sandboxConfig),
        signal,
      ),
    }),

    StartContainer: async ({ containerId }) => {
      await containers.start(required(containerId, "container_id"));
      return {};
    },

    StopContainer: async ({ containerId, timeout }) => {
      await containers.stop(required(containerId, "container_id"), seconds(timeout, "timeout"));
      return {};
    },

    RemoveContainer: async ({ containerId }) => {
      await containers.remove(required(containerId, "container_id"));
      return {};
    },

    PauseContainer: async ({ containerId }) => {
      await containers.pause(required(containerId, "container_id"));
      return {};
    },

    UnpauseContainer: async ({ containerId }) => {
      await containers.unpause(required(containerId, "container_id"));
      return {};
    },

    ListContainers: async ({ filter }) => {
      checkKnown(filter?.state?.state, "filter.state.state");
      return { containers: (await reports.containers()).filter((item) => matchesContainer(item, filter)) };
    },

    async *StreamContainers({ filter }) {
      checkKnown(filter?.state?.state, "filter.state.state");
      const items = (await reports.containers()).filter((item) => matchesContainer(item, filter));
      for (const containers of inParts(items)) yield { containers };
    },

    ContainerStatus: async ({ containerId, verbose }) => {
      const container = await inventory.get("container", required(containerId, "container_id"));
      return {
        status: await reports.containerStatus(container),
        ...(verbose && { info: verboseInfo(container) }),
      };
    },

    ContainerStats: async ({ containerId }) => ({
      stats: await stats.container(required(containerId, "container_id")),
    }),

    ListContainerStats: async ({ filter }) => ({ stats: await stats.containers(filter) }),

    async *StreamContainerStats({ filter }) {
      for (const containerStats of inParts(await stats.containers(filter))) yield { containerStats };
    },

    PodSandboxStats: async ({ podSandboxId }) => ({
      stats: await stats.pod(required(podSandboxId, "pod_sandbox_id")),
    }),

    ListPodSandboxStats: async ({ filter }) => ({ stats: await stats.pods(filter) }),

    async *StreamPodSandboxStats({ filter }) {
      for (const podSandboxStats of inParts(await stats.pods(filter))) yield { podSandboxStats };
    },

    ListMetricDescriptors: () => Promise.resolve({ descriptors: metrics.descriptors() }),

    ListPodSandboxMetrics: async () => {
      const podMetrics = [];
      for await (const pod of metrics.pods()) podMetrics.push(pod);
      return { podMetrics };
    },

    async *StreamPodSandboxMetrics() {
      for await (const pod of metrics.pods()) yield { podSandboxMetrics: [pod] };
    },

    async *GetContainerEvents(_, { signal }) {
      // An answer that never comes would look like a pod on which nothing happens.
      await inventory.ready();
      yield* events.subscribe(signal);
    },

    UpdateContainerResources: async ({ containerId, linux, windows }) => {
      required(containerId, "container_id");
      if (windows) throw new CriError("invalid", "windows: this is a Linux host");
      if (!linux) throw new CriError("invalid", "linux is required");
      checkResources(linux, "linux");
      await containers.update(containerId, linux);
      return {};
    },

    // The pod's own cgroup is the kubelet's, who has changed it by now: there is nothing left to be done.
    UpdatePodSandboxResources: async ({ podSandboxId, overhead, resources }) => {
      await inventory.get("podsandbox", required(podSandboxId, "pod_sandbox_id"));
      if (overhead) checkResources(overhead, "overhead");
      if (resources) checkResources(resources, "resources");
      return {};
    },

    ReopenContainerLog: async ({ containerId }) => {
      await containers.reopenLog(required(containerId, "container_id"));
      return {};
    },

    Exec: async ({ containerId, cmd, stdin, stdout, stderr, tty }) => {
      required(containerId, "container_id");
      required(cmd[0] ?? "", "cmd");
      return { url: await streaming.exec(containerId, cmd, { stdin, stdout, stderr, tty }) };
    },

    Attach: async ({ containerId, stdin, stdout, stderr, tty }) => ({
      url: await streaming.attach(required(containerId, "container_id"), { stdin, stdout, stderr, tty }),
    }),

    PortForward: async ({ podSandboxId, port }) => ({
      url: await streaming.portForward(required(podSandboxId, "pod_sandbox_id"), port),
    }),

    ExecSync: async ({ containerId, cmd, timeout }, { signal }) => {
      required(containerId, "container_id");
      required(cmd[0] ?? "", "cmd");
      return await execSync(exec, containerId, cmd, seconds(timeout, "timeout"), signal);
    },
  };
}

/** What crictl inspect and inspectp show beside the status; never environment values. */
const verboseInfo = (container: ContainerInspect): Record<string, string> => ({
  info: JSON.stringify({
    pid: container.State.Pid,
    state: container.State.Status,
    user: container.Config.User,
    hostConfig: container.HostConfig,
    networks: container.NetworkSettings.Networks,
  }),
});
