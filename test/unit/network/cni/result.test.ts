import assert from "node:assert/strict";
import { test } from "node:test";
import { cniVersions, type Json } from "../../../../src/network/cni/conf.js";
import {
  parseFailure,
  parseResult,
  parseSupportedVersions,
  podAddresses,
  podIpNets,
} from "../../../../src/network/cni/result.js";

const sandbox = "/run/netns/cni-5a";
/** As the bridge plugin prints it: what is on the host has no sandbox at all. */
const interfaces = [
  { name: "cni0", mac: "3a:f1:00:00:00:01" },
  { name: "veth1", mac: "3a:f1:00:00:00:02" },
  { name: "eth0", mac: "3a:f1:00:00:00:03", sandbox },
];
const both = ["10.1.0.5/24", "fd00::5/64"];

const addressCases: { title: string; result: Json; want: string[] }[] = [
  ...["0.1.0", "0.2.0"].map((cniVersion) => ({
    title: `version ${cniVersion} has one of each family, IPv4 first`,
    result: {
      cniVersion,
      ip6: { ip: "fd00::5/64" },
      ip4: { ip: "10.1.0.5/24", gateway: "10.1.0.1" },
      dns: {},
    },
    want: both,
  })),
  { title: "version 0.2.0 may have IPv6 alone", result: { ip6: { ip: "fd00::5/64" } }, want: ["fd00::5/64"] },
  ...["0.3.0", "0.3.1", "0.4.0"].map((cniVersion) => ({
    title: `version ${cniVersion} has a list, with the family beside each address`,
    result: {
      cniVersion,
      interfaces,
      ips: [
        { version: "4", address: "10.1.0.5/24", gateway: "10.1.0.1", interface: 2 },
        { version: "6", address: "fd00::5/64", interface: 2 },
      ],
    },
    want: both,
  })),
  ...["1.0.0", "1.1.0"].map((cniVersion) => ({
    title: `version ${cniVersion} has a list of addresses`,
    result: {
      cniVersion,
      interfaces,
      ips: [
        { address: "10.1.0.5/24", interface: 2 },
        { address: "fd00::5/64", interface: 2 },
      ],
    },
    want: both,
  })),
  {
    title: "the plugins' order stays: a pod whose primary address is IPv6 keeps it",
    result: { ips: [{ address: "fd00::5/64" }, { address: "10.1.0.5/24" }] },
    want: ["fd00::5/64", "10.1.0.5/24"],
  },
  {
    title: "an address of no interface is the pod's",
    result: { interfaces, ips: [{ address: "10.1.0.5/24" }, { address: "fd00::5/64", interface: null }] },
    want: both,
  },
  {
    title: "an address of an interface that has no sandbox is the host's",
    result: {
      interfaces,
      ips: [
        { address: "10.1.0.1/24", interface: 0 },
        { address: "169.254.1.1/32", interface: 1 },
        { address: "10.1.0.5/24", interface: 2 },
      ],
    },
    want: ["10.1.0.5/24"],
  },
  {
    title: "an address of an interface whose sandbox is empty is the host's",
    result: {
      interfaces: [
        { name: "cni0", sandbox: "" },
        { name: "eth0", sandbox },
      ],
      ips: [
        { address: "10.1.0.1/24", interface: 0 },
        { address: "10.1.0.5/24", interface: 1 },
      ],
    },
    want: ["10.1.0.5/24"],
  },
  {
    title: "where no interface has a sandbox, as Azure's plugin prints it, they are the pod's",
    result: { interfaces: [{ name: "eth0" }], ips: [{ address: "10.1.0.5/24", interface: 0 }] },
    want: ["10.1.0.5/24"],
  },
  {
    title: "an address of an interface that is not in the list is the pod's",
    result: { interfaces, ips: [3, -1, 0.5].map((index) => ({ address: "10.1.0.5/24", interface: index })) },
    want: ["10.1.0.5/24", "10.1.0.5/24", "10.1.0.5/24"],
  },
  {
    title: "what is no interface keeps its place in the list",
    result: {
      interfaces: [null, { name: "cni0" }, { name: "eth0", sandbox }],
      ips: [
        { address: "10.1.0.1/24", interface: 1 },
        { address: "10.1.0.5/24", interface: 2 },
      ],
    },
    want: ["10.1.0.5/24"],
  },
  { title: "a pod may have none", result: { cniVersion: "1.0.0", dns: {} }, want: [] },
  { title: "an empty list is none", result: { ips: [] }, want: [] },
  {
    title: "what is no address is left out",
    result: { ips: [null, "10.1.0.5/24", {}, { address: 7 }, ["x"]], interfaces: "eth0", ip4: "10.1.0.5/24" },
    want: [],
  },
  {
    title: "what is no list is left out",
    result: { ips: { address: "10.1.0.5/24" }, ip4: { ip: null }, ip6: null },
    want: [],
  },
];
for (const { title, result, want } of addressCases) {
  test(`addresses: ${title}`, () => {
    assert.deepEqual(podIpNets(result), want);
    const bare = want.map((net) => net.replace(/\/\d+$/, ""));
    assert.deepEqual(podAddresses(result), bare);
  });
}

test("an address without a prefix length is an address", () => {
  assert.deepEqual(podAddresses({ ips: [{ address: "10.1.0.5" }] }), ["10.1.0.5"]);
});

test("a result is kept as it was printed, also what no version knows", () => {
  const result = { cniVersion: "1.0.0", interfaces, "x.example/own": { deep: [null, 1.5] } };
  assert.deepEqual(parseResult(`\n ${JSON.stringify(result)}\n`, "1.0.0"), result);
});

test("a result without a version has the network's; one with a version of its own keeps that", () => {
  for (const version of cniVersions) {
    assert.deepEqual(parseResult("{}", version), { cniVersion: version });
    assert.deepEqual(parseResult('{"cniVersion":"0.2.0"}', version), { cniVersion: "0.2.0" });
  }
});

const noObjects = [
  "",
  " ",
  "null",
  "true",
  "1",
  '"text"',
  "[]",
  "[{}]",
  "{",
  "{}{}",
  "level=info\n{}",
  "\u0000",
];

test("what is no JSON object is no result, no error and no list of versions", () => {
  for (const text of noObjects) {
    assert.equal(parseResult(text, "1.0.0"), undefined, text);
    assert.equal(parseFailure(text), undefined, text);
    assert.equal(parseSupportedVersions(text), undefined, text);
  }
});

const failures: { title: string; printed: Json; want: ReturnType<typeof parseFailure> }[] = [
  {
    title: "with details",
    printed: { cniVersion: "1.0.0", code: 7, msg: "Invalid Configuration", details: "Network is too small" },
    want: { code: 7, message: "Invalid Configuration: Network is too small" },
  },
  { title: "without details", printed: { code: 100, msg: "no" }, want: { code: 100, message: "no" } },
  {
    title: "with empty details",
    printed: { code: 11, msg: "no", details: "" },
    want: { code: 11, message: "no" },
  },
  {
    title: "with details that are no text",
    printed: { code: 1, msg: "no", details: { at: "x" } },
    want: { code: 1, message: "no" },
  },
  { title: "with an empty message", printed: { code: 999, msg: "" }, want: { code: 999, message: "" } },
  { title: "that is 0", printed: { code: 0, msg: "no" }, want: { code: 0, message: "no" } },
  { title: "without a code", printed: { msg: "no" }, want: undefined },
  { title: "with a code that is text", printed: { code: "7", msg: "no" }, want: undefined },
  { title: "without a message", printed: { code: 7, details: "no" }, want: undefined },
  { title: "that is a result", printed: { cniVersion: "1.0.0", ips: [] }, want: undefined },
];
for (const { title, printed, want } of failures) {
  test(`an error ${title} ${want ? "is understood" : "is none"}`, () => {
    assert.deepEqual(parseFailure(JSON.stringify(printed)), want);
  });
}

test("VERSION's answer is the versions that it lists, known to us or not", () => {
  const supported = (supportedVersions: unknown) =>
    parseSupportedVersions(JSON.stringify({ cniVersion: "1.0.0", supportedVersions }));
  assert.deepEqual(supported([...cniVersions]), [...cniVersions]);
  assert.deepEqual(supported(["0.3.1", "9.0.0"]), ["0.3.1", "9.0.0"]);
  assert.deepEqual(supported([]), []);
  assert.deepEqual(supported([1, "1.0.0", null]), ["1.0.0"]);
  for (const other of [undefined, null, "1.0.0", {}]) assert.equal(supported(other), undefined);
});
