/** Both networks at once: new sandboxes get the chosen one, every other keeps what it was made with. */
import type { ContainerInspect } from "../docker/engine.js";
import type { Log } from "../log.js";
import type { NetworkRequest, PodNetwork, SandboxProcess } from "./pod-network.js";

export class PodNetworks implements PodNetwork {
  readonly #chosen: PodNetwork;

  constructor(
    private readonly networks: { cni: PodNetwork; bridge: PodNetwork },
    chosen: "cni" | "bridge",
    private readonly log: Log,
  ) {
    this.#chosen = networks[chosen];
  }

  status = () => this.#chosen.status();
  changed = () => this.#chosen.changed?.();
  setPodCidrs = (cidrs: string[]) => this.#chosen.setPodCidrs(cidrs);
  plan = (request: NetworkRequest) => this.#chosen.plan(request);
  setUp = (sandbox: SandboxProcess, request: NetworkRequest, signal: AbortSignal) =>
    this.#chosen.setUp(sandbox, request, signal);
  restart = (sandbox: ContainerInspect) => this.#of(sandbox).restart(sandbox);
  addresses = (sandbox: ContainerInspect) => this.#of(sandbox).addresses(sandbox);
  check = (sandbox: ContainerInspect) => this.#of(sandbox).check(sandbox);
  tearDown = (sandboxId: string) => this.#both((network) => network.tearDown(sandboxId));
  keepOnly = (sandboxIds: ReadonlySet<string>) => this.#both((network) => network.keepOnly(sandboxIds));
  close = () => this.#both((network) => network.close());

  /** A sandbox was removed by somebody else. Never rejects. */
  async gone(sandboxId: string): Promise<void> {
    await this.tearDown(sandboxId).catch((error: unknown) => {
      this.log.warn("the network of a sandbox that has gone could not be removed", { sandboxId, error });
    });
  }

  /** CNI's sandboxes have no network of Docker's. */
  #of({ HostConfig }: ContainerInspect): PodNetwork {
    return HostConfig.NetworkMode === "none" ? this.networks.cni : this.networks.bridge;
  }

  async #both(act: (network: PodNetwork) => Promise<void>): Promise<void> {
    await Promise.all([act(this.networks.cni), act(this.networks.bridge)]);
  }
}
