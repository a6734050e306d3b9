import { systemClock, type Clock } from "../../clock.js";
import type { Engine, NetworkInspect } from "../../docker/engine.js";
import { statusOf } from "../../docker/errors.js";
import { CriError, ignore, isKind, messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import { Answer } from "../../remember.js";
import {
  isOurs,
  mtuOf,
  networkName,
  rangesOf,
  satisfies,
  toNetworkOptions,
  usersOf,
  type NetworkWish,
} from "./to-docker.js";

export interface DockerNetworkDependencies {
  engine: Pick<Engine, "createNetwork" | "inspectNetwork" | "removeNetwork">;
  wish: NetworkWish;
  log: Log;
  clock?: Pick<Clock, "sleep">;
}

/** A network that another server makes can be seen a moment after its name is taken. */
const tries = 5;
const pauseMs = 50;

/** The pods' network in Docker: made when it is needed, also when somebody has removed it. */
export class DockerNetwork {
  readonly #deps: Required<DockerNetworkDependencies>;
  #wish: NetworkWish;
  /** What may change the network waits for what came before it. */
  #last: Promise<unknown> = Promise.resolve();
  #ensuring: Promise<NetworkInspect> | undefined;
  /** Whether it could not be had when it was needed last. */
  #failed = false;
  /** A look that found nothing wrong, kept until networks change. */
  readonly #checked = new Answer(() => this.#find());
  #warned = false;

  constructor(dependencies: DockerNetworkDependencies) {
    this.#deps = { clock: systemClock, ...dependencies };
    this.#wish = dependencies.wish;
  }

  /**
   * The network as it is wished for, or as it is where pods are in the way. All who ask at once share one answer.
   * @throws CriError failedPrecondition when it cannot be had
   */
  ensure(): Promise<NetworkInspect> {
    this.#ensuring ??= this.#inTurn(async () => {
      try {
        const network = await this.#settle(this.#wish);
        this.#failed = false;
        if (!satisfies(network, this.#wish)) this.#warn(network);
        return network;
      } catch (error) {
        this.#failed = true;
        throw error;
      }
    }).finally(() => (this.#ensuring = undefined));
    return this.#ensuring;
  }

  /**
   * Resolves when a pod could be connected, as far as one can tell: the network is not made to find that out, unless
   * it could not be made before. Docker is asked once for as long as no network changes: its answer has all the pods.
   */
  async check(): Promise<void> {
    if (this.#failed) await this.ensure();
    else await this.#checked.get();
  }

  /** To be called when a network has come or gone, and when Docker was away. */
  changed(): void {
    this.#checked.forget();
  }

  /** @throws CriError failedPrecondition when pods are in the way, or the network cannot be had; then all stays */
  async change(podCidrs: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      const wish = { ...this.#wish, podCidrs };
      const network = await this.#settle(wish);
      if (!satisfies(network, { podCidrs, mtu: undefined })) {
        throw new CriError(
          "failedPrecondition",
          `pods use ${rangesOf(network).join(" and ")} of the Docker network ${networkName}, so it cannot be changed to ${podCidrs.join(" and ")}`,
        );
      }
      this.#wish = wish;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Looks at what there is, then makes it, or makes it anew.
   * @returns one that does not satisfy the wish where pods are in the way
   */
  async #settle(wish: NetworkWish): Promise<NetworkInspect> {
    for (let left = tries; ; left--) {
      const found = await this.#find();
      if (found && satisfies(found, wish)) return found;
      if (found && !(await this.#remove(found))) return found;
      try {
        return await this.#make(wish);
      } catch (error) {
        // Either another server was faster, or the range is taken: Docker has no two answers for that.
        if (left === 1 || !isConflict(error)) throw cannotBeMade(error);
        await this.#deps.clock.sleep(pauseMs);
      }
    }
  }

  /** @throws CriError failedPrecondition for one that is not ours */
  async #find(): Promise<NetworkInspect | undefined> {
    const found = await this.#deps.engine.inspectNetwork(networkName).catch(ignore("notFound"));
    if (!found || isOurs(found)) return found;
    throw new CriError(
      "failedPrecondition",
      `the Docker network ${networkName} was not made by this program, which needs one of that name for itself`,
    );
  }

  /** @returns false when pods use it */
  async #remove(network: NetworkInspect): Promise<boolean> {
    if (usersOf(network).length > 0) return false;
    try {
      await this.#deps.engine.removeNetwork(network.Id);
      return true;
    } catch (error) {
      if (isKind(error, "notFound")) return true;
      // A container has just been connected.
      if (isKind(error, "denied")) return false;
      throw error;
    }
  }

  /** Once is enough. */
  #warn(network: NetworkInspect): void {
    if (!this.#warned) {
      this.#deps.log.warn("the pods' network is not as asked for; it is made anew when no pod uses it", {
        wanted: this.#wish,
        inUse: { podCidrs: rangesOf(network), mtu: mtuOf(network) },
      });
    }
    this.#warned = true;
  }

  async #make(wish: NetworkWish): Promise<NetworkInspect> {
    const { engine, log } = this.#deps;
    try {
      await engine.createNetwork(toNetworkOptions(wish, { findIPv6: true }));
    } catch (error) {
      if (wish.podCidrs.length > 0 || statusOf(error) === undefined) throw error;
      // Before version 27 a daemon finds a range of IPv6 only when it is configured to.
      await engine.createNetwork(toNetworkOptions(wish, { findIPv6: false }));
    }
    const network = await engine.inspectNetwork(networkName);
    log.info("made the pods' network", { podCidrs: rangesOf(network), mtu: mtuOf(network) });
    return network;
  }
}

/** Docker's answers when the name, the interface or a range is taken, or a range cannot be found. */
const isConflict = (error: unknown): boolean => [403, 404, 409].includes(statusOf(error) ?? 0);

const cannotBeMade = (error: unknown): unknown =>
  statusOf(error) === undefined
    ? error
    : new CriError(
        "failedPrecondition",
        `the Docker network ${networkName} cannot be made: ${messageOf(error)}`,
        { cause: error },
      );
