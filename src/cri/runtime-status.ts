import { isKind, messageOf } from "../errors.js";
import type { RuntimeCondition } from "../generated/runtime/v1/RuntimeCondition.js";
import type { StatusResponse } from "../generated/runtime/v1/StatusResponse.js";
import type { HostFacts } from "../host/facts.js";
import { knownHandlers, type RuntimeHandlers } from "../host/runtime-handlers.js";
import type { Inventory } from "../inventory/inventory.js";
import type { PodNetwork } from "../network/pod-network.js";

export interface StatusDependencies {
  inventory: Pick<Inventory, "ready">;
  network: Pick<PodNetwork, "status">;
  host: { facts(): Promise<HostFacts> };
  runtimeHandlers: RuntimeHandlers;
  settings: object;
}

/**
 * The node's readiness. Docker being away is an answer, not an error: RuntimeReady is false then.
 * @param verbose adds what we found out about the host and how we were started, as JSON texts
 */
export async function toStatus(
  { inventory, network, host, runtimeHandlers, settings }: StatusDependencies,
  verbose: boolean,
): Promise<StatusResponse> {
  const facts = await Promise.all([host.facts(), inventory.ready()]).then(
    ([found]) => found,
    (error: unknown) => {
      if (isKind(error, "unavailable") || isKind(error, "deadline")) return messageOf(error);
      throw error;
    },
  );
  const runtime: RuntimeCondition =
    typeof facts === "string"
      ? { type: "RuntimeReady", status: false, reason: "DockerNotReachable", message: facts }
      : { type: "RuntimeReady", status: true };
  const { ready, reason, message } = await network.status();
  return {
    status: { conditions: [runtime, { type: "NetworkReady", status: ready, reason, message }] },
    runtimeHandlers: typeof facts === "string" ? [] : toHandlers(runtimeHandlers, facts),
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false, mountOptions: true },
    info: verbose ? { config: JSON.stringify(settings), host: JSON.stringify(facts) } : {},
  };
}

const toHandlers = (handlers: RuntimeHandlers, host: HostFacts) =>
  knownHandlers(handlers, host).map((name) => ({
    name,
    // By Docker, or by us.
    features: { recursiveReadOnlyMounts: true, userNamespaces: false },
  }));
