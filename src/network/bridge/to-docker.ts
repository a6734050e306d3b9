/** The pods' network as Docker's (pure). */
import { isIPv4, isIPv6 } from "node:net";
import type { NetworkCreateOptions } from "dockerode";
import type { FixedAddresses, NetworkInspect } from "../../docker/engine.js";
import { typeLabel } from "../../kube/labels.js";
import { addressOf, canonicalCidr, contains, isOfIPv4, isOfIPv6 } from "./ranges.js";

export const networkName = "dockershim";
/**
 * The interface. Docker refuses a second network with it, which its rule that names differ does not do reliably when
 * two are made at once.
 */
export const bridgeName = "dockershim0";

const bridgeOption = "com.docker.network.bridge.name";
const mtuOption = "com.docker.network.driver.mtu";
/** The value of the label that says that a network is ours. */
const networkType = "podnetwork";

export interface NetworkWish {
  /** One of IPv4, one of IPv6, or either; none for ranges that the daemon finds. */
  podCidrs: readonly string[];
  /** undefined: the daemon's own. */
  mtu: number | undefined;
}

/** @param findIPv6 whether the daemon is to find a range of IPv6 as well, where none is given at all */
export const toNetworkOptions = (
  { podCidrs, mtu }: NetworkWish,
  { findIPv6 }: { findIPv6: boolean },
): NetworkCreateOptions => ({
  Name: networkName,
  CheckDuplicate: true,
  Driver: "bridge",
  // Without IPv4 since version 28; the ones before do not know the field.
  ...(podCidrs.length > 0 && !podCidrs.some(isOfIPv4) ? { EnableIPv4: false } : {}),
  EnableIPv6: podCidrs.length === 0 ? findIPv6 : podCidrs.some(isOfIPv6),
  ...(podCidrs.length > 0
    ? { IPAM: { Driver: "default", Config: podCidrs.map((cidr) => ({ Subnet: canonicalCidr(cidr) })) } }
    : {}),
  Options: { [bridgeOption]: bridgeName, ...(mtu === undefined ? {} : { [mtuOption]: String(mtu) }) },
  Labels: { [typeLabel]: networkType },
});

export const isOurs = ({ Labels }: NetworkInspect): boolean => Labels?.[typeLabel] === networkType;

/** Whether a network of ours is as it is wished for. */
export const satisfies = (network: NetworkInspect, { podCidrs, mtu }: NetworkWish): boolean =>
  (podCidrs.length === 0 || hasRanges(network, podCidrs.map(canonicalCidr))) &&
  (mtu === undefined || network.Options?.[mtuOption] === String(mtu));

/** Engines before 28 give IPv4 addresses whether one asks for them or not: that one alone may be there unasked. */
function hasRanges(network: NetworkInspect, wanted: string[]): boolean {
  const ranges = rangesOf(network);
  const extra = ranges.filter((range) => !wanted.includes(range));
  return (
    wanted.every((range) => ranges.includes(range)) &&
    (wanted.some(isOfIPv4) ? extra.length === 0 : extra.every(isOfIPv4))
  );
}

export const rangesOf = ({ IPAM }: NetworkInspect): string[] =>
  (IPAM.Config ?? []).map(({ Subnet }) => canonicalCidr(Subnet));

export const mtuOf = ({ Options }: NetworkInspect): string | undefined => Options?.[mtuOption];

/** The pods' containers that run. */
export const usersOf = ({ Containers }: NetworkInspect): string[] => Object.keys(Containers ?? {});

/** Those of a pod's former addresses that it can get again: within the network's ranges, and nobody has them. */
export function toFixedAddresses(network: NetworkInspect, former: readonly string[]): FixedAddresses {
  const ranges = rangesOf(network);
  const taken = Object.values(network.Containers ?? {}).flatMap(({ IPv4Address, IPv6Address }) =>
    [IPv4Address, IPv6Address].map(addressOf),
  );
  const free = former.filter(
    (address) => !taken.includes(address) && ranges.some((range) => contains(range, address)),
  );
  const [v4, v6] = [free.find(isIPv4), free.find(isIPv6)];
  return {
    ...(v4 === undefined ? {} : { IPv4Address: v4 }),
    ...(v6 === undefined ? {} : { IPv6Address: v6 }),
  };
}
