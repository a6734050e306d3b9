/**
 * Pods and containers as they are reported: in lists, statuses and events. Each report is made once for as long as
 * what it says stays the same, and frozen, so that its bytes are made once as well.
 */
import { toContainer, toContainerStatus } from "../containers/from-docker.js";
import type { ExtraResourcesStore } from "../containers/extra-resources.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { Container } from "../generated/runtime/v1/Container.js";
import type { ContainerStatus } from "../generated/runtime/v1/ContainerStatus.js";
import type { PodSandbox } from "../generated/runtime/v1/PodSandbox.js";
import type { PodSandboxStatus } from "../generated/runtime/v1/PodSandboxStatus.js";
import type { HostFacts } from "../host/facts.js";
import type { Images } from "../images/images.js";
import type { Inventory } from "../inventory/inventory.js";
import type { PodNetwork } from "../network/pod-network.js";
import { toPodSandbox, toPodSandboxStatus } from "../pods/from-docker.js";
import { remembering } from "../remember.js";

export interface ReportsDependencies {
  inventory: Pick<Inventory, "find" | "list" | "containersOf">;
  images: Pick<Images, "known">;
  extras: Pick<ExtraResourcesStore, "get">;
  network: Pick<PodNetwork, "addresses">;
  host: { facts(): Promise<Pick<HostFacts, "defaultRuntime">> };
}

/** A pod, whole. */
export interface PodReport {
  podSandboxStatus: PodSandboxStatus;
  containersStatuses: ContainerStatus[];
}

const separator = " ";

export class Reports {
  readonly #container = remembering(toContainer);
  readonly #sandbox = remembering(toPodSandbox);
  readonly #containerStatus = remembering(toContainerStatus);
  readonly #sandboxStatus = remembering((sandbox: ContainerInspect, addresses: string, runtime: string) =>
    toPodSandboxStatus(sandbox, addresses.split(separator).filter(Boolean), runtime),
  );

  constructor(private readonly deps: ReportsDependencies) {}

  /** The newest first. */
  async containers(): Promise<Container[]> {
    return (await this.deps.inventory.list("container")).map((container) => this.#container(container));
  }

  /** The newest first. */
  async sandboxes(): Promise<PodSandbox[]> {
    const { inventory, host } = this.deps;
    const [sandboxes, { defaultRuntime }] = await Promise.all([inventory.list("podsandbox"), host.facts()]);
    return sandboxes.map((sandbox) => this.#sandbox(sandbox, defaultRuntime));
  }

  async containerStatus(container: ContainerInspect): Promise<ContainerStatus> {
    const { images, extras } = this.deps;
    return this.#containerStatus(container, await images.known(container.Image), extras.get(container.Id));
  }

  async pod(sandbox: ContainerInspect): Promise<PodReport> {
    const { inventory, network, host } = this.deps;
    const [members, { defaultRuntime }] = await Promise.all([
      inventory.containersOf(sandbox.Id),
      host.facts(),
    ]);
    return {
      podSandboxStatus: this.#sandboxStatus(
        sandbox,
        network.addresses(sandbox).join(separator),
        defaultRuntime,
      ),
      containersStatuses: await Promise.all(members.map((member) => this.containerStatus(member))),
    };
  }

  /**
   * The same by the sandbox's id.
   * @param last the sandbox as it was seen last, which is told of when there is none any more
   * @returns nothing for a pod that nothing is known of
   */
  async podOf(sandboxId: string, last: ContainerInspect | undefined): Promise<Partial<PodReport>> {
    const sandbox = await this.deps.inventory.find("podsandbox", sandboxId);
    if (sandbox) return await this.pod(sandbox);
    return last ? await this.pod({ ...last, State: { ...last.State, Running: false } }) : {};
  }
}
