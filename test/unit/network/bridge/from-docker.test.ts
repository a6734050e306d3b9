import assert from "node:assert/strict";
import { test } from "node:test";
import { addressesOf } from "../../../../src/network/bridge/from-docker.js";
import { sandboxInspect } from "../../../support/builders.js";

const inNetworks = (networks: Record<string, [v4: string, v6: string]>, mode = "dockershim") => ({
  ...sandboxInspect({ HostConfig: { NetworkMode: mode } }),
  NetworkSettings: {
    Networks: Object.fromEntries(
      Object.entries(networks).map(([name, [IPAddress, GlobalIPv6Address]]) => [
        name,
        { IPAddress, GlobalIPv6Address },
      ]),
    ),
  },
});

const cases = [
  { title: "one address", sandbox: inNetworks({ dockershim: ["10.1.0.2", ""] }), want: ["10.1.0.2"] },
  {
    title: "IPv4 before IPv6",
    sandbox: inNetworks({ dockershim: ["10.1.0.2", "fd00::2"] }),
    want: ["10.1.0.2", "fd00::2"],
  },
  { title: "IPv6 alone", sandbox: inNetworks({ dockershim: ["", "fd00::2"] }), want: ["fd00::2"] },
  {
    title: "of every network, IPv4 first",
    sandbox: inNetworks({ one: ["10.1.0.2", "fd00::2"], two: ["10.2.0.2", "fd02::2"] }),
    want: ["10.1.0.2", "10.2.0.2", "fd00::2", "fd02::2"],
  },
  {
    title: "a predecessor's pod on Docker's own bridge",
    sandbox: inNetworks({ bridge: ["172.17.0.2", ""] }, "bridge"),
    want: ["172.17.0.2"],
  },
  { title: "none after its end", sandbox: inNetworks({ dockershim: ["", ""] }), want: [] },
  { title: "none on the host's network", sandbox: inNetworks({ host: ["192.0.2.1", ""] }, "host"), want: [] },
  {
    title: "none where Docker knows of no network",
    sandbox: { ...sandboxInspect(), NetworkSettings: { Networks: null } },
    want: [],
  },
];
for (const { title, sandbox, want } of cases) {
  test(`a pod's addresses: ${title}`, () => assert.deepEqual(addressesOf(sandbox), want));
}
