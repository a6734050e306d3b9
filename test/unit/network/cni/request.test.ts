import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, NetworkConf } from "../../../../src/network/cni/conf.js";
import {
  toAttachmentRequest,
  toEnvironment,
  toInput,
  type InputOptions,
} from "../../../../src/network/cni/request.js";
import type { NetworkRequest } from "../../../../src/network/pod-network.js";
import { refuses } from "../../../support/assertions.js";
import { deepFreeze, networkConf, networkRequest } from "./support.js";

const capabilitiesOf = (request: Partial<NetworkRequest>, podCidrs: string[] = []): Json =>
  toAttachmentRequest("5a", deepFreeze(networkRequest(request)), deepFreeze(podCidrs)).capabilityArgs;

test("the plugins are told of the pod in the order and words of the predecessors, and of its uid", () => {
  const metadata = { name: "web-0", namespace: "shop", uid: "3f1c" };
  const request = toAttachmentRequest("5a00", networkRequest({ metadata }), []);
  assert.deepEqual(request, {
    containerId: "5a00",
    args: [
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", "shop"],
      ["K8S_POD_NAME", "web-0"],
      ["K8S_POD_INFRA_CONTAINER_ID", "5a00"],
      ["K8S_POD_UID", "3f1c"],
    ],
    capabilityArgs: {},
  });
  assert.deepEqual(toEnvironment(request, "/run/netns/cni-5a00"), {
    CNI_CONTAINERID: "5a00",
    CNI_NETNS: "/run/netns/cni-5a00",
    CNI_IFNAME: "eth0",
    CNI_ARGS:
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=5a00;K8S_POD_UID=3f1c",
  });
});

test("a namespace that is gone is an empty CNI_NETNS", () => {
  const { CNI_NETNS } = toEnvironment({ containerId: "5a", args: [], capabilityArgs: {} }, "");
  assert.equal(CNI_NETNS, "");
});

const port = { protocol: "tcp", containerPort: 8080, hostPort: 80, hostIp: "" } as const;

const capabilityCases: { title: string; request: Partial<NetworkRequest>; cidrs?: string[]; want: Json }[] = [
  { title: "a pod that asks for nothing", request: {}, want: {} },
  {
    title: "host ports",
    request: { ports: [port, { protocol: "udp", containerPort: 53, hostPort: 5353, hostIp: "" }] },
    want: {
      portMappings: [
        { hostPort: 80, containerPort: 8080, protocol: "tcp" },
        { hostPort: 5353, containerPort: 53, protocol: "udp" },
      ],
    },
  },
  {
    title: "a host port on one address of the host",
    request: { ports: [{ ...port, hostIp: "127.0.0.1" }] },
    want: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp", hostIP: "127.0.0.1" }] },
  },
  {
    title: "a host port beside ports that are only declared",
    request: {
      ports: [
        { ...port, hostPort: 0 },
        { ...port, protocol: "sctp" },
        { ...port, hostPort: 0 },
      ],
    },
    want: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "sctp" }] },
  },
  { title: "ports that are only declared", request: { ports: [{ ...port, hostPort: 0 }] }, want: {} },
  {
    title: "a bandwidth both ways",
    request: {
      annotations: { "kubernetes.io/ingress-bandwidth": "100M", "kubernetes.io/egress-bandwidth": "1k" },
    },
    want: {
      bandwidth: {
        ingressRate: 100_000_000,
        ingressBurst: 10_000_000,
        egressRate: 1000,
        egressBurst: 1_048_576,
      },
    },
  },
  {
    title: "a bandwidth to the pod",
    request: { annotations: { "kubernetes.io/ingress-bandwidth": "1G" } },
    want: { bandwidth: { ingressRate: 1_000_000_000, ingressBurst: 100_000_000 } },
  },
  {
    title: "a bandwidth from the pod",
    request: { annotations: { "kubernetes.io/egress-bandwidth": "1G", other: "x" } },
    want: { bandwidth: { egressRate: 1_000_000_000, egressBurst: 100_000_000 } },
  },
  {
    title: "a range",
    request: {},
    cidrs: ["10.1.0.0/24"],
    want: { ipRanges: [[{ subnet: "10.1.0.0/24" }]] },
  },
  {
    title: "ranges of both families: a set each, so that the pod gets an address of both",
    request: {},
    cidrs: ["fd00::/64", "10.1.0.0/24"],
    want: { ipRanges: [[{ subnet: "fd00::/64" }], [{ subnet: "10.1.0.0/24" }]] },
  },
  {
    title: "a DNS of its own",
    request: { dns: { servers: ["10.0.0.10"], searches: ["svc.local"], options: ["ndots:5"] } },
    want: { dns: { servers: ["10.0.0.10"], searches: ["svc.local"], options: ["ndots:5"] } },
  },
  {
    title: "an empty DNS of its own",
    request: { dns: { servers: [], searches: [], options: [] } },
    want: { dns: { servers: [], searches: [], options: [] } },
  },
];
for (const { title, request, cidrs = [], want } of capabilityCases) {
  test(`what the plugins may know of ${title}`, () => assert.deepEqual(capabilitiesOf(request, cidrs), want));
}

test("a bandwidth that cannot be is refused by its annotation's name", () => {
  const annotations = { "kubernetes.io/ingress-bandwidth": "fast" };
  refuses(
    () => capabilitiesOf({ annotations }),
    "invalid",
    'annotation kubernetes.io/ingress-bandwidth: "fast"',
  );
});

/** What a plugin with these words of its own gets. */
const inputFor = (raw: Json, options: InputOptions = {}, conf: Partial<NetworkConf> = {}): Json =>
  toInput(
    deepFreeze(networkConf("1.0.0", [], conf)),
    deepFreeze({ type: "probe", raw: { type: "probe", ...raw } }),
    deepFreeze(options),
  );
const usual = { type: "probe", name: "pods", cniVersion: "1.0.0" };
const capabilityArgs = {
  portMappings: [{ hostPort: 80 }],
  bandwidth: { ingressRate: 1 },
  dns: { servers: [] },
};

test("a plugin gets its own words, and the network's name and version over them", () => {
  const own = { mtu: 1400, ipam: { type: "host-local" }, "x.example/own": [null] };
  assert.deepEqual(inputFor({ ...own, name: "mine", cniVersion: "0.1.0" }), { ...usual, ...own });
});

test("a plugin gets the capabilities that it declares as true, and no other", () => {
  const capabilities = { portMappings: true, bandwidth: false, dns: "true", ipRanges: true };
  assert.deepEqual(inputFor({ capabilities }, { capabilityArgs }), {
    ...usual,
    runtimeConfig: { portMappings: [{ hostPort: 80 }] },
  });
});

for (const capabilities of [
  {},
  { aliases: true },
  null,
  true,
  ["portMappings"],
  "portMappings",
  { dns: 1 },
]) {
  test(`a plugin whose capabilities are ${JSON.stringify(capabilities)} gets none, and does not see the field`, () => {
    assert.deepEqual(inputFor({ capabilities }, { capabilityArgs }), usual);
  });
}

test("names that every object has are no capabilities", () => {
  assert.deepEqual(
    inputFor({ capabilities: {} }, { capabilityArgs: { toString: 1, constructor: 2 } }),
    usual,
  );
});

const ips = ["10.1.0.5/24", "fd00::5/64"];

test("the addresses that a pod is to get back are told as a capability and as an argument", () => {
  assert.deepEqual(
    inputFor({ capabilities: { ips: true } }, { capabilityArgs: { ...capabilityArgs, ips } }),
    {
      ...usual,
      args: { cni: { ips } },
      runtimeConfig: { ips },
    },
  );
});

test("a plugin that does not declare the capability still has them as an argument", () => {
  assert.deepEqual(inputFor({}, { capabilityArgs: { ips } }), { ...usual, args: { cni: { ips } } });
});

const argsCases: { args: unknown; want: Json }[] = [
  {
    args: { cni: { labels: [], ips: ["10.9.9.9"] }, "org.example": { a: 1 } },
    want: { cni: { labels: [], ips }, "org.example": { a: 1 } },
  },
  { args: { "org.example": {} }, want: { "org.example": {}, cni: { ips } } },
  { args: { cni: null }, want: { cni: { ips } } },
  { args: null, want: { cni: { ips } } },
  { args: ["x"], want: { cni: { ips } } },
];
for (const { args, want } of argsCases) {
  test(`beside the arguments ${JSON.stringify(args)} they become ${JSON.stringify(want)}`, () => {
    assert.deepEqual(inputFor({ args }, { capabilityArgs: { ips } })["args"], want);
  });
}

test("without such addresses a plugin's arguments are left as they are", () => {
  for (const args of [{ cni: { ips: ["10.9.9.9"] } }, null, "x"]) {
    assert.deepEqual(inputFor({ args }, { capabilityArgs }), { ...usual, args });
  }
});

test("the result before, and what one command adds, come last", () => {
  const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/24" }] };
  const extra = { "cni.dev/valid-attachments": [] };
  assert.deepEqual(inputFor({ prevResult: "old words" }, { prevResult, extra }), {
    ...usual,
    prevResult,
    ...extra,
  });
  // The plugins of the tests rely on it.
  const keys = Object.keys(
    inputFor({ capabilities: { ips: true } }, { capabilityArgs: { ips }, prevResult }),
  );
  assert.equal(keys.at(-1), "prevResult");
});

test("only the network's name and version are told of the network", () => {
  assert.deepEqual(inputFor({}, {}, { name: "other", disableCheck: true, disableGC: true }), {
    ...usual,
    name: "other",
  });
});
