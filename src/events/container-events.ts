/**
 * What happens to pods and containers, told to whoever listens (CRI's GetContainerEvents, KEP-3386), with the pod as it
 * is by then. Nothing is made while nobody listens.
 */
import type { ContainerInspect } from "../docker/engine.js";
import { CriError, messageOf } from "../errors.js";
import type { ContainerEventResponse } from "../generated/runtime/v1/ContainerEventResponse.js";
import type { Change } from "../inventory/changes.js";
import { kindOf, sandboxIdLabel } from "../kube/labels.js";
import { Broadcast } from "./broadcast.js";

type Pod = Pick<ContainerEventResponse, "podSandboxStatus" | "containersStatuses">;

export interface ContainerEventsDependencies {
  /** The pod whose sandbox this is, as it is now. @param last for when there is none any more */
  podOf(sandboxId: string, last: ContainerInspect | undefined): Promise<Pod>;
}

/** A busy node has some hundred at once when all of its pods go. */
const waitingLimit = 1000;

const types = {
  created: "CONTAINER_CREATED_EVENT",
  started: "CONTAINER_STARTED_EVENT",
  stopped: "CONTAINER_STOPPED_EVENT",
  deleted: "CONTAINER_DELETED_EVENT",
} as const;

export class ContainerEvents {
  readonly #broadcast = new Broadcast<ContainerEventResponse>(waitingLimit);
  /** Events are told in the order in which they happened. */
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly deps: ContainerEventsDependencies) {}

  /** Sandboxes are told of like containers, as other runtimes do. */
  changed(container: ContainerInspect, change: Change): void {
    if (!this.#broadcast.hasSubscribers) return;
    this.#last = this.#last.then(() => this.#tell(container, change));
  }

  /** What happens from now on. @throws as Broadcast.subscribe does */
  subscribe(signal: AbortSignal): AsyncIterable<ContainerEventResponse> {
    return this.#broadcast.subscribe(signal);
  }

  /** Never rejects. Who has missed an event is to list anew, which the end of the stream makes a client do. */
  async #tell(container: ContainerInspect, { kind, at }: Change): Promise<void> {
    if (!this.#broadcast.hasSubscribers) return;
    const isSandbox = kindOf(container.Config.Labels) === "podsandbox";
    const sandboxId = isSandbox ? container.Id : container.Config.Labels[sandboxIdLabel];
    try {
      this.#broadcast.publish({
        containerId: container.Id,
        containerEventType: types[kind],
        createdAt: at.toString(),
        ...(sandboxId && (await this.deps.podOf(sandboxId, isSandbox ? container : undefined))),
      });
    } catch (error) {
      const message = `what happened to ${container.Id} cannot be told: ${messageOf(error)}`;
      this.#broadcast.fail(new CriError("unavailable", message, { cause: error }));
    }
  }
}
