/**
 * What containers and pods use, read from the kernel's files when somebody asks; Docker is never asked. The
 * inventory knows which containers run and with which process.
 *
 * Lists have what runs. The kubelet looks at nothing else in them (it drops terminated containers), and critest
 * asks for started ones. What has ended is known by its id, and has attributes and
 * its files only.
 *
 * A pod's usage is that of the cgroup that the kubelet made for it, which its sandbox's is in: with the overhead,
 * and never going down when a container is replaced. Without a cgroup parent the pod has no cgroup, since Docker's
 * own parent is common to all; then it is the sum of the sandbox and the containers that run.
 */
import type { Clock } from "../clock.js";
import { toContainer } from "../containers/from-docker.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { ContainerStats } from "../generated/runtime/v1/ContainerStats.js";
import type { ContainerStatsFilter__Output } from "../generated/runtime/v1/ContainerStatsFilter.js";
import type { NetworkUsage } from "../generated/runtime/v1/NetworkUsage.js";
import type { PodSandboxStats } from "../generated/runtime/v1/PodSandboxStats.js";
import type { PodSandboxStatsFilter__Output } from "../generated/runtime/v1/PodSandboxStatsFilter.js";
import type { Inventory } from "../inventory/inventory.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels, sandboxIdLabel } from "../kube/labels.js";
import { podOf } from "../kube/names.js";
import { mapLimited } from "../waiting.js";
import { CpuRates } from "./cpu-rates.js";
import type { KernelFiles } from "./kernel-files.js";
import { parseNetDev } from "./net-dev.js";
import { containerPlace, podPlace, type Place } from "./place.js";
import { sumOf } from "./sum.js";
import { toNetwork, toProcesses, toUsage, type Measured } from "./to-cri.js";
import type { WritableLayers } from "./writable-layer.js";

export interface StatsDependencies {
  inventory: Pick<Inventory, "get" | "list">;
  clock: Clock;
  files: KernelFiles;
  layers: Pick<WritableLayers, "get">;
}

/** Node reads files in four threads; what waits for one would be older than its timestamp. */
const concurrentReads = 4;

export class Stats {
  readonly #rates = new CpuRates();

  constructor(private readonly deps: StatsDependencies) {}

  /** @throws CriError notFound */
  async container(id: string): Promise<ContainerStats> {
    const container = await this.deps.inventory.get("container", id);
    return this.#toStats(container, await this.#measure(container, containerPlace));
  }

  /** Those that run and match. */
  async containers(filter: ContainerStatsFilter__Output | null): Promise<ContainerStats[]> {
    const all = await this.deps.inventory.list("container");
    const matching = all.filter((container) => matchesContainer(container, filter));
    return (await this.#running(matching)).map(({ container, measured }) =>
      this.#toStats(container, measured),
    );
  }

  /** @throws CriError notFound */
  async pod(id: string): Promise<PodSandboxStats> {
    const sandbox = await this.deps.inventory.get("podsandbox", id);
    const members = membersOf(await this.deps.inventory.list("container"));
    return (await this.#podStats(sandbox, members)) ?? { attributes: podAttributesOf(sandbox) };
  }

  /** Those whose sandbox runs and that match. */
  async pods(filter: PodSandboxStatsFilter__Output | null): Promise<PodSandboxStats[]> {
    const { inventory } = this.deps;
    const [sandboxes, containers] = await Promise.all([
      inventory.list("podsandbox"),
      inventory.list("container"),
    ]);
    const members = membersOf(containers);
    const matching = sandboxes.filter((sandbox) => matchesPod(sandbox, filter));
    const found = await mapLimited(matching, 1, (sandbox) => this.#podStats(sandbox, members));
    return found.filter((stats) => stats !== undefined);
  }

  /** To be called when a container or a sandbox is no more. */
  forget(id: string): void {
    this.#rates.forget(id);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    this.#rates.keepOnly(ids);
  }

  /** Undefined for a pod whose sandbox does not run, or has ended meanwhile. */
  async #podStats(sandbox: ContainerInspect, members: Members): Promise<PodSandboxStats | undefined> {
    const hasCgroup = sandbox.HostConfig.CgroupParent !== "";
    const own = await this.#measure(sandbox, hasCgroup ? podPlace : containerPlace);
    if (!own) return undefined;
    const running = await this.#running(members(sandbox.Id));
    const all = hasCgroup ? own : sumOf([own, ...running.map(({ measured }) => measured)]);
    // CRI has swap of containers only.
    const { swap: _, ...usage } = toUsage(all);
    return {
      attributes: podAttributesOf(sandbox),
      linux: {
        ...usage,
        process: toProcesses(all),
        network: await this.#network(sandbox),
        containers: running.map(({ container, measured }) => this.#toStats(container, measured)),
      },
    };
  }

  /** Of a pod on the node's network there is nothing to tell: the traffic is the node's. */
  async #network({ State, HostConfig }: ContainerInspect): Promise<NetworkUsage | null> {
    if (HostConfig.NetworkMode === "host") return null;
    const at = this.deps.clock.now();
    const text = await this.deps.files.process(State.Pid, "net/dev");
    return toNetwork(at, parseNetDev(text ?? ""));
  }

  async #running(containers: ContainerInspect[]) {
    const found = await mapLimited(containers, concurrentReads, async (container) => {
      const measured = await this.#measure(container, containerPlace);
      return measured && { container, measured };
    });
    return found.filter((one) => one !== undefined);
  }

  #toStats(container: ContainerInspect, measured: Measured | undefined): ContainerStats {
    const { id = "", metadata = null, labels = {}, annotations = {} } = toContainer(container);
    const layer = this.deps.layers.get(container.Id);
    return {
      attributes: { id, metadata, labels, annotations },
      ...(measured && toUsage(measured)),
      ...(layer && { writableLayer: layer }),
    };
  }

  /** The cgroup of a container's process, or one above it; undefined when the container does not run (any more). */
  async #measure(
    { Id, State }: ContainerInspect,
    placeOf: (text: string, id: string) => Place | undefined,
  ): Promise<Measured | undefined> {
    if (!State.Running) return undefined;
    const text = await this.deps.files.process(State.Pid, "cgroup");
    const place = text === undefined ? undefined : placeOf(text, Id);
    if (!place) return undefined;
    const at = this.deps.clock.now();
    const usage = await this.deps.files.usage(place);
    // With a part missing, either this host does not have it, or the cgroup went while it was read.
    if (usage.cpuNanos === undefined || !usage.memory) {
      if ((await this.deps.files.process(State.Pid, "cgroup")) !== text) return undefined;
    }
    const cpuRate =
      usage.cpuNanos === undefined
        ? undefined
        : this.#rates.add(Id, State.StartedAt, { at, nanos: usage.cpuNanos });
    return { at, usage, cpuRate };
  }
}

type Members = (sandboxId: string) => ContainerInspect[];

/** One pass over all containers, however many pods are asked for. */
function membersOf(containers: readonly ContainerInspect[]): Members {
  const bySandbox = new Map<string, ContainerInspect[]>();
  for (const container of containers) {
    const id = container.Config.Labels[sandboxIdLabel] ?? "";
    const members = bySandbox.get(id);
    if (members) members.push(container);
    else bySandbox.set(id, [container]);
  }
  return (sandboxId) => bySandbox.get(sandboxId) ?? [];
}

/** What is set must all match; ids by prefix. */
const matchesContainer = (container: ContainerInspect, filter: ContainerStatsFilter__Output | null) =>
  !filter ||
  (matchesPod(container, filter) &&
    (container.Config.Labels[sandboxIdLabel] ?? "").startsWith(filter.podSandboxId));

const matchesPod = (
  { Id, Config }: ContainerInspect,
  filter: Pick<PodSandboxStatsFilter__Output, "id" | "labelSelector"> | null,
): boolean =>
  !filter ||
  (Id.startsWith(filter.id) && matchesLabels(fromLabels(Config.Labels).labels, filter.labelSelector));

const podAttributesOf = ({ Id, Name, Config }: ContainerInspect) => ({
  id: Id,
  metadata: podOf(Name),
  ...fromLabels(Config.Labels),
});
