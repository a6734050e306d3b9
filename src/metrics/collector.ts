/**
 * Metrics of pods and containers, read when somebody asks. Those of a pod's own cgroup and of its network are the
 * pod's; without a cgroup parent the pod has no cgroup of its own, and what there is to tell is its containers'.
 *
 * Sandboxes and containers that do not run (any more) are left out, and so is what a host does not tell. Every answer
 * is of this moment, but the bytes that a container wrote, which are counted in the background.
 */
import { stat, statfs } from "node:fs/promises";
import type { Clock } from "../clock.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { ContainerMetrics } from "../generated/runtime/v1/ContainerMetrics.js";
import type { MetricDescriptor } from "../generated/runtime/v1/MetricDescriptor.js";
import type { PodSandboxMetrics } from "../generated/runtime/v1/PodSandboxMetrics.js";
import type { Inventory } from "../inventory/inventory.js";
import { filesV1 } from "../stats/cgroup-v1.js";
import { filesV2 } from "../stats/cgroup-v2.js";
import type { KernelFiles } from "../stats/kernel-files.js";
import { parseNetDev } from "../stats/net-dev.js";
import type { Cgroup, Places } from "../stats/places.js";
import type { WritableLayers } from "../stats/writable-layer.js";
import { breather } from "../waiting.js";
import { metricFilesV1, samplesV1 } from "./cgroup-v1.js";
import { metricFilesV2, samplesV2 } from "./cgroup-v2.js";
import { parseDevices, parseOpenFilesLimit, toDeviceNumber, toHostParts, toPageSize } from "./host.js";
import type { DeviceName, Sample } from "./sample.js";
import { toDescriptors } from "./table.js";
import {
  containerLabels,
  filesystemSamples,
  lifeSamples,
  networkSamples,
  podLabels,
  processSamples,
  toMetrics,
  type Filesystem,
  type ProcessCounts,
} from "./to-cri.js";

export interface MetricsDependencies {
  inventory: Pick<Inventory, "list" | "containersOf">;
  host: { facts(): Promise<{ rootDirectory: string }> };
  clock: Clock;
  files: KernelFiles;
  places: Places;
  layers: Pick<WritableLayers, "getSoon">;
}

/** What a container has more of is not counted: a look at each descriptor takes the kernel some microseconds. */
const countedProcesses = 256;
const countedDescriptors = 2048;

/** What is the same for all pods of an answer. */
interface Host {
  deviceName: DeviceName;
  filesystem: Filesystem;
}

export class Metrics {
  readonly #pageSizes: string[];
  readonly #wanted;

  constructor(private readonly deps: MetricsDependencies) {
    this.#pageSizes = deps.files.hugePageFolders().flatMap((folder) => toPageSize(folder) ?? []);
    this.#wanted = { 1: metricFilesV1(this.#pageSizes), 2: metricFilesV2(this.#pageSizes) };
  }

  /** The kubelet asks once, when it starts, and has no metrics if that fails: Docker is not needed for the answer. */
  descriptors(): MetricDescriptor[] {
    const { files } = this.deps;
    const own = files.proc("self/cgroup") ?? "";
    return toDescriptors(toHostParts(own, files.cgroupRoot("cgroup.controllers") ?? ""));
  }

  /** Those whose sandbox runs, one by one, as they are read. */
  async *pods(): AsyncGenerator<PodSandboxMetrics> {
    const { inventory } = this.deps;
    const [sandboxes, host] = await Promise.all([inventory.list("podsandbox"), this.#host()]);
    const breathe = breather();
    for (const sandbox of sandboxes) {
      const members = await inventory.containersOf(sandbox.Id);
      const metrics = await this.#pod(sandbox, members, host, breathe);
      if (metrics) yield metrics;
    }
  }

  async #host(): Promise<Host> {
    const { rootDirectory } = await this.deps.host.facts();
    const [{ bsize, blocks, files, ffree }, { dev }] = await Promise.all([
      statfs(rootDirectory, { bigint: true }),
      stat(rootDirectory, { bigint: true }),
    ]);
    const deviceName = parseDevices(this.deps.files.proc("diskstats") ?? "");
    const device = deviceName(toDeviceNumber(dev));
    return { deviceName, filesystem: { device, bytes: bsize * blocks, inodes: files, inodesFree: ffree } };
  }

  async #pod(
    sandbox: ContainerInspect,
    members: readonly ContainerInspect[],
    host: Host,
    breathe: () => Promise<void> | undefined,
  ): Promise<PodSandboxMetrics | undefined> {
    const labels = podLabels(sandbox);
    const own = this.#ofPod(sandbox, host);
    if (!own) return undefined;
    const containerMetrics: ContainerMetrics[] = [];
    for (const container of members) {
      const read = await this.#ofContainer(container, host);
      if (read) {
        const metrics = toMetrics(read, containerLabels(container, labels));
        containerMetrics.push({ containerId: container.Id, metrics });
      }
      await breathe();
    }
    return { podSandboxId: sandbox.Id, metrics: toMetrics(own, labels), containerMetrics };
  }

  #ofPod(sandbox: ContainerInspect, host: Host): Sample[] | undefined {
    const { clock, files, places } = this.deps;
    if (!places.container(sandbox)) return undefined;
    const cgroup = sandbox.HostConfig.CgroupParent === "" ? undefined : places.pod(sandbox);
    const network =
      sandbox.HostConfig.NetworkMode === "host" ? "" : files.process(sandbox.State.Pid, "net/dev");
    const all = [
      ...lifeSamples(sandbox, clock.now()),
      ...(cgroup ? this.#ofCgroup(cgroup, host) : []),
      ...networkSamples(parseNetDev(network ?? "")),
    ];
    return places.runs(sandbox) ? all : undefined;
  }

  async #ofContainer(container: ContainerInspect, host: Host): Promise<Sample[] | undefined> {
    const { clock, places, layers } = this.deps;
    const cgroup = places.container(container);
    if (!cgroup) return undefined;
    const written = await layers.getSoon(container);
    const all = [
      ...lifeSamples(container, clock.now()),
      ...this.#ofCgroup(cgroup, host),
      ...filesystemSamples(host.filesystem, written),
      ...processSamples(this.#processes(container, cgroup)),
    ];
    return places.runs(container) ? all : undefined;
  }

  #ofCgroup(cgroup: Cgroup, { deviceName }: Host): Sample[] {
    const usage = cgroup.read(cgroup.version === 1 ? filesV1 : filesV2);
    const further = cgroup.read(this.#wanted[cgroup.version]);
    const toSamples = cgroup.version === 1 ? samplesV1 : samplesV2;
    return toSamples((name) => usage(name) ?? further(name), this.#pageSizes, deviceName);
  }

  #processes({ State }: ContainerInspect, cgroup: Cgroup): ProcessCounts {
    const { files } = this.deps;
    const pids = cgroup.pids();
    const openFiles = parseOpenFilesLimit(files.process(State.Pid, "limits") ?? "");
    const counts: ProcessCounts = { processes: pids.length, descriptors: 0, sockets: 0, openFiles };
    const tooMany = { ...counts, descriptors: undefined, sockets: undefined };
    if (pids.length > countedProcesses) return tooMany;
    let [descriptors, sockets] = [0, 0];
    for (const pid of pids) {
      const targets = files.descriptors(pid, countedDescriptors - descriptors);
      if (!targets) return tooMany;
      descriptors += targets.length;
      sockets += targets.filter((target) => target.startsWith("socket:")).length;
    }
    return { ...counts, descriptors, sockets };
  }
}
