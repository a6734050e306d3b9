/** The ranges that pods get their addresses from, as text (pure). */
import { isIP } from "node:net";
import { CriError } from "../errors.js";

/**
 * "10.1.0.0/24,fd00::/64" to its ranges: one of IPv4, one of IPv6, or both, in the given order; empty for none.
 * @param field where the text is from, for errors
 * @throws CriError invalid
 */
export function parsePodCidrs(text: string, field: string): string[] {
  const cidrs = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const families = cidrs.map((cidr) => familyOf(cidr, field));
  if (new Set(families).size < families.length) {
    throw new CriError(
      "invalid",
      `${field} ${JSON.stringify(text)} has more than one range of the same family`,
    );
  }
  return cidrs;
}

function familyOf(cidr: string, field: string): number {
  const [address = "", bits = "", ...rest] = cidr.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || !/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    throw new CriError("invalid", `${field} ${JSON.stringify(cidr)} is not an address range`);
  }
  return family;
}
