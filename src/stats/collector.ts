/**
 * What containers and pods use, read from the kernel's files when somebody asks; Docker is never asked. The
 * inventory knows which containers run and with which process.
 *
 * Lists have what runs. The kubelet looks at nothing else in them (it drops terminated containers), and critest
 * asks for started ones. What has ended is known by its id, and has attributes and its files only.
 *
 * A pod's usage is that of the cgroup that the kubelet made for it, which its sandbox's is in: with the overhead,
 * and never going down when a container is replaced. Without a cgroup parent the pod has no cgroup, since Docker's
 * own parent is common to all; then it is the sum of the sandbox and the containers that run.
 */
import type { Clock } from "../clock.js";
import { toContainer } from "../containers/from-docker.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { ContainerAttributes } from "../generated/runtime/v1/ContainerAttributes.js";
import type { ContainerStats } from "../generated/runtime/v1/ContainerStats.js";
import type { ContainerStatsFilter__Output } from "../generated/runtime/v1/ContainerStatsFilter.js";
import type { NetworkUsage } from "../generated/runtime/v1/NetworkUsage.js";
import type { PodSandboxStats } from "../generated/runtime/v1/PodSandboxStats.js";
import type { PodSandboxStatsFilter__Output } from "../generated/runtime/v1/PodSandboxStatsFilter.js";
import type { Inventory } from "../inventory/inventory.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels, sandboxIdLabel } from "../kube/labels.js";
import { podOf } from "../kube/names.js";
import { remembering } from "../remember.js";
import { breather } from "../waiting.js";
import { filesV1, parseUsageV1 } from "./cgroup-v1.js";
import { filesV2, parseUsageV2 } from "./cgroup-v2.js";
import { CpuRates } from "./cpu-rates.js";
import type { KernelFiles } from "./kernel-files.js";
import { parseNetDev } from "./net-dev.js";
import type { Cgroup, Places } from "./places.js";
import { sumOf } from "./sum.js";
import { toNetwork, toProcesses, toUsage, type Measured } from "./to-cri.js";
import type { WritableLayers } from "./writable-layer.js";

export interface StatsDependencies {
  inventory: Pick<Inventory, "get" | "list" | "containersOf">;
  clock: Clock;
  files: KernelFiles;
  places: Places;
  layers: Pick<WritableLayers, "get">;
}

export class Stats {
  readonly #rates = new CpuRates();
  readonly #attributesOf = remembering(attributesOf);

  constructor(private readonly deps: StatsDependencies) {}

  /** @throws CriError notFound */
  async container(id: string): Promise<ContainerStats> {
    const container = await this.deps.inventory.get("container", id);
    return this.#toStats(container, this.#measure(container, this.deps.places.container(container)));
  }

  /** Those that run and match. */
  async containers(filter: ContainerStatsFilter__Output | null): Promise<ContainerStats[]> {
    const all = await this.deps.inventory.list("container");
    const breathe = breather();
    const found: ContainerStats[] = [];
    for (const container of all) {
      if (!matchesContainer(container, filter)) continue;
      found.push(...this.#running([container]).map(({ measured }) => this.#toStats(container, measured)));
      await breathe();
    }
    return found;
  }

  /** @throws CriError notFound */
  async pod(id: string): Promise<PodSandboxStats> {
    const sandbox = await this.deps.inventory.get("podsandbox", id);
    const members = await this.deps.inventory.containersOf(sandbox.Id);
    return this.#podStats(sandbox, members) ?? { attributes: podAttributesOf(sandbox) };
  }

  /** Those whose sandbox runs and that match. */
  async pods(filter: PodSandboxStatsFilter__Output | null): Promise<PodSandboxStats[]> {
    const { inventory } = this.deps;
    const breathe = breather();
    const found: PodSandboxStats[] = [];
    for (const sandbox of await inventory.list("podsandbox")) {
      if (!matchesPod(sandbox, filter)) continue;
      const stats = this.#podStats(sandbox, await inventory.containersOf(sandbox.Id));
      if (stats) found.push(stats);
      await breathe();
    }
    return found;
  }

  /** To be called when a container or a sandbox is no more. */
  forget(id: string): void {
    this.#rates.forget(id);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    this.#rates.keepOnly(ids);
  }

  /** Undefined for a pod whose sandbox does not run, or has ended meanwhile. */
  #podStats(sandbox: ContainerInspect, members: readonly ContainerInspect[]): PodSandboxStats | undefined {
    const { places } = this.deps;
    const hasCgroup = sandbox.HostConfig.CgroupParent !== "";
    const cgroup = hasCgroup ? places.pod(sandbox) : places.container(sandbox);
    const own = this.#measure(sandbox, cgroup);
    if (!cgroup || !own) return undefined;
    const running = this.#running(members);
    const all = hasCgroup ? own : sumOf([own, ...running.map(({ measured }) => measured)]);
    const counted = hasCgroup ? [cgroup] : [cgroup, ...running.map((one) => one.cgroup)];
    const processes = counted.reduce((sum, one) => sum + one.pids().length, 0);
    const network = this.#network(sandbox);
    // The cgroup is the pod's, and the pid may be another's: neither tells that the sandbox is there.
    if (!places.runs(sandbox)) return undefined;
    // CRI has swap of containers only.
    const { swap: _, ...usage } = toUsage(all);
    return {
      attributes: podAttributesOf(sandbox),
      linux: {
        ...usage,
        process: toProcesses(all.at, processes),
        network,
        containers: running.map(({ container, measured }) => this.#toStats(container, measured)),
      },
    };
  }

  /** Of a pod on the node's network there is nothing to tell: the traffic is the node's. */
  #network({ State, HostConfig }: ContainerInspect): NetworkUsage | null {
    if (HostConfig.NetworkMode === "host") return null;
    const at = this.deps.clock.now();
    return toNetwork(at, parseNetDev(this.deps.files.process(State.Pid, "net/dev") ?? ""));
  }

  #running(containers: readonly ContainerInspect[]) {
    return containers.flatMap((container) => {
      const cgroup = this.deps.places.container(container);
      const measured = this.#measure(container, cgroup);
      return cgroup && measured ? [{ container, cgroup, measured }] : [];
    });
  }

  #toStats(container: ContainerInspect, measured: Measured | undefined): ContainerStats {
    const layer = this.deps.layers.get(container.Id);
    return {
      attributes: this.#attributesOf(container),
      ...(measured && toUsage(measured)),
      ...(layer && { writableLayer: layer }),
    };
  }

  /** Undefined when the container does not run (any more). */
  #measure(container: ContainerInspect, cgroup: Cgroup | undefined): Measured | undefined {
    if (!cgroup) return undefined;
    const at = this.deps.clock.now();
    const usage =
      cgroup.version === 1 ? parseUsageV1(cgroup.read(filesV1)) : parseUsageV2(cgroup.read(filesV2));
    const { cpuNanos: nanos, memory } = usage;
    // With a part missing, either this host does not have it, or the cgroup went while it was read.
    if ((nanos === undefined || !memory) && !this.deps.places.runs(container)) return undefined;
    const run = container.State.StartedAt;
    const cpuRate = nanos === undefined ? undefined : this.#rates.add(container.Id, run, { at, nanos });
    return { at, usage, cpuRate };
  }
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

function attributesOf(container: ContainerInspect): ContainerAttributes {
  const { id = "", metadata = null, labels = {}, annotations = {} } = toContainer(container);
  return { id, metadata, labels, annotations };
}

const podAttributesOf = ({ Id, Name, Config }: ContainerInspect) => ({
  id: Id,
  metadata: podOf(Name),
  ...fromLabels(Config.Labels),
});
