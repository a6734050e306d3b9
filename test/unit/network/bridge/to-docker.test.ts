import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkInspect } from "../../../../src/docker/engine.js";
import {
  isOurs,
  satisfies,
  toFixedAddresses,
  toNetworkOptions,
  type NetworkWish,
} from "../../../../src/network/bridge/to-docker.js";

const wish = (podCidrs: string[], mtu?: number): NetworkWish => ({ podCidrs, mtu });

const base = {
  Name: "dockershim",
  CheckDuplicate: true,
  Driver: "bridge",
  Options: { "com.docker.network.bridge.name": "dockershim0" },
  Labels: { "io.kubernetes.docker.type": "podnetwork" },
};
const ipam = (...subnets: string[]) => ({
  IPAM: { Driver: "default", Config: subnets.map((Subnet) => ({ Subnet })) },
});

const options = [
  {
    title: "with ranges of the daemon's own",
    made: toNetworkOptions(wish([]), { findIPv6: true }),
    want: { ...base, EnableIPv6: true },
  },
  {
    title: "with IPv4 alone, where the daemon finds no other",
    made: toNetworkOptions(wish([]), { findIPv6: false }),
    want: { ...base, EnableIPv6: false },
  },
  {
    title: "with a range of IPv4, and then no IPv6",
    made: toNetworkOptions(wish(["10.1.2.0/16"]), { findIPv6: true }),
    want: { ...base, EnableIPv6: false, ...ipam("10.1.0.0/16") },
  },
  {
    title: "with a range of IPv6, and no IPv4 where the daemon can do without",
    made: toNetworkOptions(wish(["FD00::/64"]), { findIPv6: true }),
    want: { ...base, EnableIPv4: false, EnableIPv6: true, ...ipam("fd00::/64") },
  },
  {
    title: "with a range of either, in the order given",
    made: toNetworkOptions(wish(["fd00::/64", "10.1.0.0/16"]), { findIPv6: true }),
    want: { ...base, EnableIPv6: true, ...ipam("fd00::/64", "10.1.0.0/16") },
  },
  {
    title: "with an MTU",
    made: toNetworkOptions(wish([], 1400), { findIPv6: true }),
    want: {
      ...base,
      EnableIPv6: true,
      Options: { ...base.Options, "com.docker.network.driver.mtu": "1400" },
    },
  },
];
for (const { title, made, want } of options) {
  test(`the pods' network is made ${title}`, () => assert.deepEqual(made, want));
}

const network = (subnets: string[], mtu?: string): NetworkInspect => ({
  Id: "n1",
  Name: "dockershim",
  EnableIPv6: subnets.some((subnet) => subnet.includes(":")),
  IPAM: { Config: subnets.map((Subnet) => ({ Subnet })) },
  Containers: {},
  Options: mtu === undefined ? null : { "com.docker.network.driver.mtu": mtu },
  Labels: base.Labels,
});

test("a network is ours by its label, and not by its name", () => {
  assert.equal(isOurs(network([])), true);
  assert.equal(isOurs({ ...network([]), Labels: {} }), false);
  assert.equal(isOurs({ ...network([]), Labels: null }), false);
  assert.equal(isOurs({ ...network([]), Labels: { "io.kubernetes.docker.type": "podsandbox" } }), false);
});

const satisfied: [title: string, network: NetworkInspect, wish: NetworkWish, want: boolean][] = [
  ["any, where nothing is asked for", network(["172.18.0.0/16"], "1400"), wish([]), true],
  ["one with the range asked for", network(["10.1.0.0/16"]), wish(["10.1.0.0/16"]), true],
  ["one with that range in another form", network(["10.1.2.3/16"]), wish(["10.1.0.0/16"]), true],
  [
    "one with both, in any order",
    network(["10.1.0.0/16", "fd00::/64"]),
    wish(["fd00::/64", "10.1.0.0/16"]),
    true,
  ],
  ["one with another range", network(["10.2.0.0/16"]), wish(["10.1.0.0/16"]), false],
  ["one with another length", network(["10.1.0.0/16"]), wish(["10.1.0.0/24"]), false],
  ["one without the IPv6 asked for", network(["10.1.0.0/16"]), wish(["10.1.0.0/16", "fd00::/64"]), false],
  ["one with IPv6 unasked", network(["10.1.0.0/16", "fd00::/64"]), wish(["10.1.0.0/16"]), false],
  [
    "one with IPv4 unasked, as older engines make it",
    network(["172.18.0.0/16", "fd00::/64"]),
    wish(["fd00::/64"]),
    true,
  ],
  ["one with the MTU asked for", network([], "1400"), wish([], 1400), true],
  ["one with another MTU", network([], "9000"), wish([], 1400), false],
  ["one with the daemon's MTU, where another is asked for", network([]), wish([], 1400), false],
];
for (const [title, is, wanted, want] of satisfied) {
  test(`${want ? "kept" : "made anew"}: ${title}`, () => assert.equal(satisfies(is, wanted), want));
}

const dual: NetworkInspect = {
  ...network(["10.1.0.0/16", "fd00::/64"]),
  Containers: {
    other: { IPv4Address: "10.1.0.9/16", IPv6Address: "fd00::9/64" },
    another: { IPv4Address: "10.1.0.10/16", IPv6Address: "" },
  },
};
const former: [title: string, former: string[], want: object][] = [
  ["both", ["10.1.0.2", "fd00::2"], { IPv4Address: "10.1.0.2", IPv6Address: "fd00::2" }],
  ["none, if it had none", [], {}],
  ["not those of another pod", ["10.1.0.9", "fd00::9"], {}],
  ["one, if another pod has the other", ["10.1.0.10", "fd00::2"], { IPv6Address: "fd00::2" }],
  ["none of another range", ["172.18.0.2", "fd01::2"], {}],
];
for (const [title, addresses, want] of former) {
  test(`a pod gets its former addresses again: ${title}`, () => {
    assert.deepEqual(toFixedAddresses(dual, addresses), want);
  });
}
