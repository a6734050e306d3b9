/** Capabilities, as far as a host that lacks some needs care (pure). */
import { capabilityNames } from "../host/capabilities.js";
import type { HostFacts } from "../host/facts.js";

type Has = Pick<HostFacts, "capabilities">;

/** What the kernel may know and the host does not give. */
export const missingCapabilities = ({ capabilities }: Has): string[] =>
  capabilityNames.filter((name) => !capabilities.includes(name));

/**
 * The capabilities to take away. Docker takes an added "ALL" for all that the kernel knows, and runc cannot
 * apply what its own process lacks, so what the host lacks is dropped from it.
 */
export function toCapDrop(added: string[], dropped: string[], host: Has): string[] {
  const all = added.some((name) => name.toUpperCase() === "ALL");
  return all ? [...new Set([...dropped, ...missingCapabilities(host)])] : dropped;
}
