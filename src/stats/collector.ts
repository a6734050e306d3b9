/**
 * What containers and pods use, read from the kernel's files when somebody asks; Docker is never asked. The
 * inventory knows which containers run and with which process.
 *
 * Lists have what runs. The kubelet looks at nothing else in them (it drops terminated containers), and critest
 * asks for started ones. A container that has ended is known by its id, and has attributes only.
 */
import type { Clock } from "../clock.js";
import { toContainer } from "../containers/from-docker.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { ContainerStats } from "../generated/runtime/v1/ContainerStats.js";
import type { ContainerStatsFilter__Output } from "../generated/runtime/v1/ContainerStatsFilter.js";
import type { Inventory } from "../inventory/inventory.js";
import { matchesLabels } from "../kube/filter.js";
import { fromLabels, sandboxIdLabel } from "../kube/labels.js";
import { mapLimited } from "../waiting.js";
import { CpuRates } from "./cpu-rates.js";
import type { KernelFiles } from "./kernel-files.js";
import { containerPlace, type Place } from "./place.js";
import { toUsage, type Measured } from "./to-cri.js";

export interface StatsDependencies {
  inventory: Pick<Inventory, "get" | "list">;
  clock: Clock;
  files: KernelFiles;
}

/** Node reads files in four threads; what waits for one would be older than its timestamp. */
const concurrentReads = 4;

export class Stats {
  readonly #rates = new CpuRates();

  constructor(private readonly deps: StatsDependencies) {}

  /** @throws CriError notFound */
  async container(id: string): Promise<ContainerStats> {
    const container = await this.deps.inventory.get("container", id);
    return (await this.#containerStats(container)) ?? { attributes: attributesOf(container) };
  }

  /** Those that run and match. */
  async containers(filter: ContainerStatsFilter__Output | null): Promise<ContainerStats[]> {
    const all = await this.deps.inventory.list("container");
    return await this.#running(all.filter((container) => matchesFilter(container, filter)));
  }

  /** To be called when a container or a sandbox is no more. */
  forget(id: string): void {
    this.#rates.forget(id);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    this.#rates.keepOnly(ids);
  }

  async #running(containers: ContainerInspect[]): Promise<ContainerStats[]> {
    const found = await mapLimited(containers, concurrentReads, (container) =>
      this.#containerStats(container),
    );
    return found.filter((stats) => stats !== undefined);
  }

  /** Undefined for one that does not run, or has ended meanwhile. */
  async #containerStats(container: ContainerInspect): Promise<ContainerStats | undefined> {
    const measured = await this.#measure(container, containerPlace);
    return measured && { attributes: attributesOf(container), ...toUsage(measured) };
  }

  /** The cgroup of a container's process, or one above it. */
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

/** What is set must all match; ids by prefix. */
const matchesFilter = ({ Id, Config }: ContainerInspect, filter: ContainerStatsFilter__Output | null) =>
  !filter ||
  (Id.startsWith(filter.id) &&
    (Config.Labels[sandboxIdLabel] ?? "").startsWith(filter.podSandboxId) &&
    matchesLabels(fromLabels(Config.Labels).labels, filter.labelSelector));

function attributesOf(container: ContainerInspect) {
  const { id = "", metadata = null, labels = {}, annotations = {} } = toContainer(container);
  return { id, metadata, labels, annotations };
}
