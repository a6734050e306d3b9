/** Ranges of addresses, as "10.1.0.0/24" or "fd00::/64" (pure). */
import { BlockList, isIPv4, isIPv6 } from "node:net";

export const addressOf = (cidr: string): string => cidr.split("/")[0] ?? "";
const lengthOf = (cidr: string): number => Number(cidr.split("/")[1]);
export const isOfIPv4 = (cidr: string): boolean => isIPv4(addressOf(cidr));
export const isOfIPv6 = (cidr: string): boolean => isIPv6(addressOf(cidr));

export function contains(cidr: string, address: string): boolean {
  const family = isOfIPv4(cidr) ? "ipv4" : "ipv6";
  const range = new BlockList();
  range.addSubnet(addressOf(cidr), lengthOf(cidr), family);
  return isIPv4(address) === isOfIPv4(cidr) && range.check(address, family);
}

/** The one form that can be compared, and that Docker's newer versions take: 10.1.2.3/16 is 10.1.0.0/16. */
export function canonicalCidr(cidr: string): string {
  const length = lengthOf(cidr);
  if (isOfIPv4(cidr)) {
    const octets = addressOf(cidr).split(".").map(Number);
    return `${masked(octets, 8, length).join(".")}/${length}`;
  }
  const groups = masked(groupsOf(addressOf(cidr)), 16, length);
  return `${shortest(groups.map((group) => group.toString(16)).join(":"))}/${length}`;
}

/** Numbers of `size` bits each, of which only the first `length` bits in all are kept. */
const masked = (numbers: number[], size: number, length: number): number[] =>
  numbers.map((number, index) => {
    const kept = Math.min(Math.max(length - index * size, 0), size);
    return number & ~((2 ** size - 1) >> kept);
  });

/** A URL's host has its zeros left out, and no decimal numbers. */
const shortest = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);

function groupsOf(address: string): number[] {
  const [head = "", tail = ""] = shortest(address).split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [first, last] = [parse(head), parse(tail)];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
