/** A pod's addresses, as Docker reports them (pure). */
import type { ContainerInspect } from "../../docker/engine.js";

/** Of all its networks, IPv4 before IPv6; none for a pod on the host's network. */
export function addressesOf({ HostConfig, NetworkSettings }: ContainerInspect): string[] {
  if (HostConfig.NetworkMode === "host") return [];
  const networks = Object.values(NetworkSettings.Networks ?? {});
  return [
    ...networks.map(({ IPAddress }) => IPAddress),
    ...networks.map(({ GlobalIPv6Address }) => GlobalIPv6Address),
  ].filter((address) => address !== "");
}
