/** Capabilities, as far as a host that lacks some needs care (pure). */
import type { HostFacts } from "../host/facts.js";

/**
 * The capabilities to take away. Docker takes an added "ALL" for all that the kernel knows, and runc cannot
 * apply what its own process lacks, so what the host lacks is dropped from it.
 */
export function toCapDrop(
  added: string[],
  dropped: string[],
  { missingCapabilities }: Pick<HostFacts, "missingCapabilities">,
): string[] {
  const all = added.some((name) => name.toUpperCase() === "ALL");
  return all ? [...new Set([...dropped, ...missingCapabilities])] : dropped;
}
