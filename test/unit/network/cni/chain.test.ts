import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CriError } from "../../../../src/errors.js";
import { Chain, type Attachment } from "../../../../src/network/cni/chain.js";
import { cniVersions, parseNetworkFile } from "../../../../src/network/cni/conf.js";
import { FakePlugins } from "./fake-plugins.js";
import { networkConf } from "./support.js";

const attachment: Attachment = {
  containerId: "5a",
  args: [["K8S_POD_NAME", "web"]],
  capabilityArgs: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp" }] },
  netns: "/run/netns/cni-5a",
};
const result = { cniVersion: "1.0.0", ips: [{ address: "10.1.0.5/24" }] };
const types = ["bridge", "portmap", "tuning"];
const never = new AbortController().signal;
const heard = () => Promise.resolve();
const whole = { result, partial: false };

function setUp() {
  const plugins = new FakePlugins();
  return { plugins, chain: new Chain(plugins) };
}

/** The result that each plugin was given, in the order of the calls. */
const previous = ({ calls }: FakePlugins): unknown[] => calls.map(({ input }) => input["prevResult"]);

test("ADD runs the plugins in order; each gets the result before it, and the last one's is the network's", async () => {
  const { plugins, chain } = setUp();
  const conf = networkConf("1.0.0", types);
  assert.deepEqual(await chain.add(conf, attachment, heard, never), { cniVersion: "1.0.0", from: "tuning" });
  assert.deepEqual(plugins.asked, ["bridge ADD", "portmap ADD", "tuning ADD"]);
  assert.deepEqual(previous(plugins), [
    undefined,
    { cniVersion: "1.0.0", from: "bridge" },
    { cniVersion: "1.0.0", from: "portmap" },
  ]);
});

for (const command of ["ADD", "DEL", "CHECK"] as const) {
  test(`${command} tells every plugin of the attachment, and of the capabilities that it declares`, async () => {
    const { plugins, chain } = setUp();
    const portmap = { type: "portmap", snat: true, capabilities: { portMappings: true } };
    const conf = networkConf("0.4.0", ["bridge", portmap]);
    if (command === "ADD") await chain.add(conf, attachment, heard, never);
    if (command === "DEL") await chain.del(conf, attachment, whole);
    if (command === "CHECK") await chain.check(conf, attachment, result);
    for (const { type, environment, input } of plugins.calls) {
      assert.deepEqual(environment, {
        CNI_CONTAINERID: "5a",
        CNI_NETNS: "/run/netns/cni-5a",
        CNI_IFNAME: "eth0",
        CNI_ARGS: "K8S_POD_NAME=web",
      });
      const { prevResult: _, ...rest } = input;
      const own = type === "portmap" ? { snat: true, runtimeConfig: attachment.capabilityArgs } : {};
      assert.deepEqual(rest, { type, name: "pods", cniVersion: "0.4.0", ...own });
    }
    assert.equal(plugins.calls.length, 2);
  });
}

test("what each plugin came to is told before the next one runs", async () => {
  const { plugins, chain } = setUp();
  const story: unknown[] = [];
  plugins.answers.set("ADD", ({ type }) => {
    story.push(`${type} ADD`);
    return { from: type };
  });
  const onResult = async ({ from }: { from?: unknown }) => {
    await nextTurn();
    story.push(from);
  };
  await chain.add(networkConf("1.0.0", ["bridge", "portmap"]), attachment, onResult, never);
  assert.deepEqual(story, ["bridge ADD", "bridge", "portmap ADD", "portmap"]);
});

test("ADD ends when what a plugin came to cannot be kept", async () => {
  const { plugins, chain } = setUp();
  const full = () => Promise.reject(new Error("no space left"));
  const adding = chain.add(networkConf("1.0.0", types), attachment, full, never);
  await assert.rejects(adding, { message: "no space left" });
  assert.deepEqual(plugins.asked, ["bridge ADD"]);
});

test("DEL after an ADD that came to nothing has no result", async () => {
  const { plugins, chain } = setUp();
  await chain.del(networkConf("1.0.0", types), attachment, { result: undefined, partial: true });
  assert.deepEqual(plugins.asked, ["tuning DEL", "portmap DEL", "bridge DEL"]);
  assert.deepEqual(previous(plugins), [undefined, undefined, undefined]);
});

test("ADD ends with the first plugin that fails, and its error", async () => {
  const { plugins, chain } = setUp();
  plugins.fails("portmap", "ADD");
  const adding = chain.add(networkConf("1.0.0", types), attachment, heard, never);
  await assert.rejects(adding, { kind: "internal", message: "portmap ADD failed" });
  assert.deepEqual(plugins.asked, ["bridge ADD", "portmap ADD"]);
});

for (const printed of ["", "hello", "[]", "null"]) {
  test(`ADD fails when a plugin prints ${JSON.stringify(printed)} and no result`, async () => {
    const { plugins, chain } = setUp();
    plugins.answers.set("bridge ADD", () => printed);
    await assert.rejects(chain.add(networkConf("1.0.0", types), attachment, heard, never), {
      kind: "internal",
      message: `CNI plugin "bridge" (ADD) printed no JSON object but ${JSON.stringify(printed)}`,
    });
    assert.deepEqual(plugins.asked, ["bridge ADD"]);
  });
}

test("only ADD ends with the client's request; what is taken back is taken back", async () => {
  const { plugins, chain } = setUp();
  const given: [string, AbortSignal | undefined][] = [];
  for (const command of ["ADD", "DEL", "CHECK"]) {
    plugins.answers.set(command, (_, signal) => {
      given.push([command, signal]);
      return {};
    });
  }
  const conf = networkConf("1.0.0");
  await chain.add(conf, attachment, heard, never);
  await chain.check(conf, attachment, result);
  await chain.del(conf, attachment, whole);
  assert.deepEqual(given, [
    ["ADD", never],
    ["CHECK", undefined],
    ["DEL", undefined],
  ]);
});

for (const version of cniVersions) {
  const tells = cniVersions.indexOf(version) >= cniVersions.indexOf("0.4.0");
  test(`DEL of version ${version} is in reverse order and ${tells ? "has" : "does not have"} ADD's result`, async () => {
    const { plugins, chain } = setUp();
    await chain.del(networkConf(version, types), attachment, whole);
    assert.deepEqual(plugins.asked, ["tuning DEL", "portmap DEL", "bridge DEL"]);
    assert.deepEqual(previous(plugins), tells ? [result, result, result] : [undefined, undefined, undefined]);
  });
}

test("DEL after a whole ADD ends with the first plugin that fails: what is before it is still needed", async () => {
  const { plugins, chain } = setUp();
  plugins.fails("portmap", "DEL");
  const deleting = chain.del(networkConf("1.0.0", types), attachment, whole);
  await assert.rejects(deleting, { kind: "internal", message: "portmap DEL failed" });
  assert.deepEqual(plugins.asked, ["tuning DEL", "portmap DEL"]);
});

test("DEL after half an ADD goes on past plugins that fail, and tells of them all", async () => {
  const { plugins, chain } = setUp();
  plugins.fails("tuning", "DEL");
  plugins.fails("bridge", "DEL");
  const deleting = chain.del(networkConf("1.0.0", types), attachment, { result, partial: true });
  await assert.rejects(deleting, { kind: "internal", message: "tuning DEL failed; bridge DEL failed" });
  assert.deepEqual(plugins.asked, ["tuning DEL", "portmap DEL", "bridge DEL"]);
  assert.deepEqual(previous(plugins), [result, result, result]);
});

for (const version of cniVersions) {
  const at = cniVersions.indexOf(version);
  const [checks, manages] = [at >= cniVersions.indexOf("0.4.0"), at >= cniVersions.indexOf("1.1.0")];
  test(`CHECK is ${checks ? "asked" : "not asked"} in version ${version}, STATUS and GC are ${manages ? "too" : "not"}`, async () => {
    const { plugins, chain } = setUp();
    const conf = networkConf(version, ["bridge", "portmap"]);
    await chain.check(conf, attachment, result);
    assert.deepEqual(plugins.asked, checks ? ["bridge CHECK", "portmap CHECK"] : []);
    assert.deepEqual(previous(plugins), checks ? [result, result] : []);
    plugins.calls.length = 0;
    await chain.status(conf);
    await chain.gc(conf, []);
    const all = ["bridge STATUS", "portmap STATUS", "bridge GC", "portmap GC"];
    assert.deepEqual(plugins.asked, manages ? all : []);
  });
}

test("a network may forbid CHECK and GC", async () => {
  const { plugins, chain } = setUp();
  const conf = networkConf("1.1.0", ["bridge"], { disableCheck: true, disableGC: true });
  await chain.check(conf, attachment, result);
  await chain.gc(conf, []);
  assert.deepEqual(plugins.asked, []);
  await chain.status(conf);
  assert.deepEqual(plugins.asked, ["bridge STATUS"]);
});

test("CHECK and STATUS end with the first plugin that fails, and its error", async () => {
  const { plugins, chain } = setUp();
  const conf = networkConf("1.1.0", types);
  plugins.fails("portmap", "CHECK");
  await assert.rejects(chain.check(conf, attachment, result), { message: "portmap CHECK failed" });
  plugins.fails("bridge", "STATUS");
  await assert.rejects(chain.status(conf), { message: "bridge STATUS failed" });
  assert.deepEqual(plugins.asked, ["bridge CHECK", "portmap CHECK", "bridge STATUS"]);
});

test("STATUS and GC are about no attachment: GC has the list of those that are, and nothing else", async () => {
  const { plugins, chain } = setUp();
  const conf = networkConf("1.1.0", [{ type: "bridge", mtu: 1400, capabilities: { ips: true } }]);
  const valid = [{ containerID: "5a", ifname: "eth0" }];
  await chain.status(conf);
  await chain.gc(conf, valid);
  const input = { type: "bridge", mtu: 1400, name: "pods", cniVersion: "1.1.0" };
  assert.deepEqual(plugins.calls, [
    { type: "bridge", command: "STATUS", input },
    { type: "bridge", command: "GC", input: { ...input, "cni.dev/valid-attachments": valid } },
  ]);
});

test("GC goes on past plugins that fail, and tells of them all", async () => {
  const { plugins, chain } = setUp();
  plugins.fails("bridge", "GC");
  plugins.fails("tuning", "GC");
  await assert.rejects(chain.gc(networkConf("1.1.0", types), []), {
    kind: "internal",
    message: "bridge GC failed; tuning GC failed",
  });
  assert.deepEqual(plugins.asked, ["bridge GC", "portmap GC", "tuning GC"]);
});

const file = (cniVersion: string, cniVersionsOffered: string[] = []) =>
  parseNetworkFile(
    JSON.stringify({
      ...{ name: "pods", cniVersion, cniVersions: cniVersionsOffered, disableGC: true },
      plugins: [{ type: "bridge", mtu: 1400 }, { type: "portmap" }],
    }),
  );

const negotiations: { title: string; offered: string[]; portmap: string[]; want: string }[] = [
  { title: "the only one that is offered", offered: ["0.4.0"], portmap: [...cniVersions], want: "0.4.0" },
  {
    title: "the newest of all",
    offered: ["0.4.0", "1.1.0", "1.0.0"],
    portmap: [...cniVersions],
    want: "1.1.0",
  },
  {
    title: "the newest that the older plugin knows",
    offered: ["0.3.1", "1.1.0", "1.0.0"],
    portmap: ["0.3.1", "1.0.0"],
    want: "1.0.0",
  },
  {
    title: "one between those that the plugin knows",
    offered: ["0.4.0", "1.1.0"],
    portmap: ["1.0.0", "0.4.0", "0.3.0"],
    want: "0.4.0",
  },
];
for (const { title, offered, portmap, want } of negotiations) {
  test(`the network's version is ${title}`, async () => {
    const { plugins, chain } = setUp();
    plugins.versions.set("portmap", portmap);
    const conf = await chain.negotiate(file(offered[0] ?? "", offered.slice(1)));
    const { raw } = file("1.0.0").plugins[0]!;
    assert.deepEqual(conf, {
      name: "pods",
      cniVersion: want,
      disableCheck: false,
      disableGC: true,
      plugins: [
        { type: "bridge", raw },
        { type: "portmap", raw: { type: "portmap" } },
      ],
    });
  });
}

test("where no version fits, every plugin is named with what it knows", async () => {
  const { plugins, chain } = setUp();
  plugins.versions.set("bridge", ["1.0.0", "1.1.0"]);
  plugins.versions.set("portmap", []);
  await assert.rejects(chain.negotiate(file("0.4.0", ["0.3.1"])), {
    kind: "failedPrecondition",
    message:
      "no plugin version fits CNI version 0.4.0 or 0.3.1: bridge knows 1.0.0, 1.1.0; portmap knows none",
  });
});

test("a plugin that is missing or does not answer is the reason why a network cannot be", async () => {
  const { plugins, chain } = setUp();
  plugins.versions.set("portmap", new CriError("failedPrecondition", 'CNI plugin "portmap" is not in /x'));
  await assert.rejects(chain.negotiate(file("1.0.0")), {
    kind: "failedPrecondition",
    message: 'CNI plugin "portmap" is not in /x',
  });
});
