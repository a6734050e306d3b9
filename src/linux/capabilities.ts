/** Capabilities, as far as a host that lacks some needs care (pure). */
import { capabilityNames } from "../host/capabilities.js";
import type { HostFacts } from "../host/facts.js";

/**
 * The capabilities to ask Docker for. "ALL" means all that the host has: Docker takes it for all that the
 * kernel knows, and runc cannot apply what its own process lacks.
 */
export function toCapAdd(wanted: string[], { capabilities }: Pick<HostFacts, "capabilities">): string[] {
  const all = wanted.some((name) => name.toUpperCase() === "ALL");
  return all && capabilityNames.some((name) => !capabilities.includes(name)) ? capabilities : wanted;
}
