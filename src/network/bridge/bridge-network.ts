import type { ContainerInspect, Engine } from "../../docker/engine.js";
import { statusOf } from "../../docker/errors.js";
import { CriError, ignore, isKind, messageOf, throwIfAborted } from "../../errors.js";
import { fromLabels } from "../../kube/labels.js";
import type { Log } from "../../log.js";
import { parseBandwidth, type Bandwidth } from "../bandwidth.js";
import type {
  NetworkRequest,
  NetworkStatus,
  PodNetwork,
  SandboxNetwork,
  SandboxProcess,
} from "../pod-network.js";
import { runProgram, type Run } from "../../run-program.js";
import { DockerNetwork } from "./docker-network.js";
import { addressesOf } from "./from-docker.js";
import { Shaper } from "./shaping.js";
import { networkName, toFixedAddresses } from "./to-docker.js";

type NetworkEngine = Pick<
  Engine,
  | "createNetwork"
  | "inspectNetwork"
  | "removeNetwork"
  | "connectNetwork"
  | "disconnectNetwork"
  | "inspectContainer"
>;

export interface BridgeNetworkDependencies {
  engine: NetworkEngine;
  /** Where pods get their addresses from until the client says it; none for what the daemon finds. */
  podCidrs: readonly string[];
  /** undefined: the daemon's own. */
  mtu: number | undefined;
  log: Log;
  /** Runs the commands of iproute2. */
  run?: Run;
  shaper?: Shaper;
}

/** Pods on a Docker network of ours, where Docker gives addresses, publishes ports and leads out. */
export class BridgeNetwork implements PodNetwork {
  readonly #engine: NetworkEngine;
  readonly #log: Log;
  readonly #network: DockerNetwork;
  readonly #shaper: Shaper;
  /** Docker forgets a container's addresses when it ends; by the sandboxes' ids. */
  readonly #addresses = new Map<string, string[]>();

  constructor({ engine, podCidrs, mtu, log, run = runProgram, shaper }: BridgeNetworkDependencies) {
    this.#engine = engine;
    this.#log = log;
    this.#network = new DockerNetwork({ engine, wish: { podCidrs, mtu }, log });
    this.#shaper = shaper ?? new Shaper({ run });
  }

  async status(): Promise<NetworkStatus> {
    return await this.#network.check().then(
      () => ({ ready: true, reason: "", message: "" }),
      (error: unknown) => ({ ready: false, reason: "NetworkNotReady", message: messageOf(error) }),
    );
  }

  changed(): void {
    this.#network.changed();
  }

  async setPodCidrs(cidrs: string[]): Promise<void> {
    if (cidrs.length > 0) await this.#network.change(cidrs);
  }

  async plan({ annotations, ports }: NetworkRequest): Promise<SandboxNetwork> {
    parseBandwidth(annotations);
    await this.#network.ensure();
    return { mode: networkName, ports };
  }

  async setUp(sandbox: SandboxProcess, { annotations }: NetworkRequest, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await this.#limit(sandbox, parseBandwidth(annotations));
  }

  async restart(sandbox: ContainerInspect): Promise<(process: SandboxProcess) => Promise<void>> {
    // A predecessor's pods are on Docker's own bridge.
    if (sandbox.HostConfig.NetworkMode !== networkName) return () => Promise.resolve();
    const bandwidth = parseBandwidth(fromLabels(sandbox.Config.Labels).annotations);
    await this.#reconnect(sandbox);
    return (process) => this.#limit(process, bandwidth);
  }

  async tearDown(sandboxId: string): Promise<void> {
    this.#addresses.delete(sandboxId);
    await this.#shaper.remove(sandboxId);
  }

  addresses(sandbox: ContainerInspect): string[] {
    const addresses = addressesOf(sandbox);
    if (sandbox.State.Running && addresses.length > 0) this.#addresses.set(sandbox.Id, addresses);
    return addresses;
  }

  /** Docker watches over its networks itself. */
  check(): Promise<string | undefined> {
    return Promise.resolve(undefined);
  }

  async keepOnly(sandboxIds: ReadonlySet<string>): Promise<void> {
    for (const id of this.#addresses.keys()) if (!sandboxIds.has(id)) this.#addresses.delete(id);
    const kept = [...sandboxIds];
    try {
      for (const start of await this.#shaper.sandboxes()) {
        // One that is not among them may have been made a moment ago.
        if (kept.some((id) => id.startsWith(start)) || !(await this.#hasGone(start))) continue;
        await this.#shaper.remove(start);
      }
    } catch (error) {
      this.#log.warn("the limits of pods that have gone could not be removed", { error });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Docker holds on to the network that a container was in, also when that has been made anew since. Connected again
   * it is in the present one, with its former addresses where Docker gives fixed ones: in ranges that were asked for.
   */
  async #reconnect({ Id }: ContainerInspect): Promise<void> {
    const network = await this.#network.ensure();
    const fixed = toFixedAddresses(network, this.#addresses.get(Id) ?? []);
    // Docker answers that a container is not connected with an error of its own.
    await this.#engine.disconnectNetwork(network.Id, Id).catch(ignore("internal"));
    await this.#engine.connectNetwork(network.Id, Id, fixed).catch(async (error: unknown) => {
      if (statusOf(error) === undefined || Object.keys(fixed).length === 0) throw error;
      await this.#engine.connectNetwork(network.Id, Id, {});
    });
  }

  async #limit({ id, pid }: SandboxProcess, bandwidth: Bandwidth): Promise<void> {
    if (Object.keys(bandwidth).length === 0) return;
    const hostEnd = await this.#shaper.hostEnd(pid);
    // Still the same process: the number was not another one's when it led to that interface.
    const { State } = await this.#engine.inspectContainer(id);
    if (!State.Running || State.Pid !== pid) {
      throw new CriError("failedPrecondition", `the pod's process ${pid} has gone`);
    }
    await this.#shaper.shape(id, hostEnd, bandwidth);
  }

  /** @param id the beginning of a sandbox's */
  #hasGone(id: string): Promise<boolean> {
    return this.#engine.inspectContainer(id).then(
      () => false,
      (error: unknown) => isKind(error, "notFound"),
    );
  }
}
