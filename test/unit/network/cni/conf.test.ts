import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError } from "../../../../src/errors.js";
import {
  cniVersions,
  fromText,
  isAtLeast,
  parseNetworkFile,
  parsePluginFile,
  toText,
  type Json,
} from "../../../../src/network/cni/conf.js";
import { refuses } from "../../../support/assertions.js";
import { chance, type Chance } from "../../../support/random.js";
import { networkConf } from "./support.js";

const parse = (file: unknown) => parseNetworkFile(JSON.stringify(file));
/** A list of one plugin, with these fields. */
const list = (fields: Json = {}): Json => ({
  cniVersion: "1.0.0",
  name: "pods",
  plugins: [{ type: "bridge" }],
  ...fields,
});

test("a list is its plugins, in order, each with all its fields", () => {
  const bridge = { type: "bridge", ipam: { type: "host-local", ranges: [[{ subnet: "10.1.0.0/24" }]] } };
  const portmap = { type: "portmap", capabilities: { portMappings: true }, "x.example/own": [1, null] };
  assert.deepEqual(parse({ cniVersion: "0.4.0", name: "pods", plugins: [bridge, portmap] }), {
    name: "pods",
    versions: ["0.4.0"],
    disableCheck: false,
    disableGC: false,
    plugins: [
      { type: "bridge", raw: bridge },
      { type: "portmap", raw: portmap },
    ],
    inlineOnly: false,
  });
});

test("one plugin alone is a list of one, which no folder adds to", () => {
  const alone = { cniVersion: "0.3.1", name: "pods", type: "ptp", mtu: 1400 };
  assert.deepEqual(parse(alone), {
    name: "pods",
    versions: ["0.3.1"],
    disableCheck: false,
    disableGC: false,
    plugins: [{ type: "ptp", raw: alone }],
    inlineOnly: true,
  });
});

test("a list that has a type of its own is still a list", () => {
  assert.deepEqual(
    parse(list({ type: "multus" })).plugins.map(({ type }) => type),
    ["bridge"],
  );
});

const versionCases: { title: string; fields: Json; want: string[] }[] = [
  { title: "without a version is of the first one", fields: { cniVersion: undefined }, want: ["0.1.0"] },
  ...cniVersions.map((version) => ({
    title: `of version ${version} is taken`,
    fields: { cniVersion: version },
    want: [version],
  })),
  {
    title: "may offer several versions, newest first",
    fields: { cniVersion: "0.4.0", cniVersions: ["0.3.1", "1.1.0", "1.0.0"] },
    want: ["1.1.0", "1.0.0", "0.4.0", "0.3.1"],
  },
  {
    title: "may say a version twice",
    fields: { cniVersions: ["1.0.0", "1.0.0"] },
    want: ["1.0.0"],
  },
  {
    title: "may offer versions of the future beside a known one",
    fields: { cniVersion: "9.0.0", cniVersions: ["1.1.0", "8.0.0"] },
    want: ["1.1.0"],
  },
];
for (const { title, fields, want } of versionCases) {
  test(`a network ${title}`, () => assert.deepEqual(parse(list(fields)).versions, want));
}

test("versions are compared by their age, not as text", () => {
  assert.ok(isAtLeast("1.0.0", "0.4.0"));
  assert.ok(isAtLeast("0.4.0", "0.4.0"));
  assert.ok(!isAtLeast("0.3.1", "0.4.0"));
  assert.ok(isAtLeast("1.1.0", "1.0.0"));
});

for (const field of ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] as const) {
  const read = (value: unknown): boolean => {
    const { disableCheck, disableGC, inlineOnly } = parse(list({ [field]: value }));
    return { disableCheck, disableGC, loadOnlyInlinedPlugins: inlineOnly }[field];
  };
  test(`${field} is a boolean, or the text of one`, () => {
    for (const yes of [true, "true"]) assert.equal(read(yes), true, JSON.stringify(yes));
    for (const no of [undefined, false, "false"]) assert.equal(read(no), false, JSON.stringify(no));
    for (const other of [null, "", "TRUE", "yes", 0, 1, [], {}]) {
      refuses(() => read(other), "invalid", `${field} ${JSON.stringify(other)} is neither true nor false`);
    }
  });
}

test("a network's name is letters, digits, and after the first of them dots, dashes and underscores", () => {
  for (const name of ["a", "0", "k8s-pod-network", "cbr0", "My_net.1"]) {
    assert.equal(parse(list({ name })).name, name);
  }
  for (const name of [
    "",
    ".",
    "..",
    "-a",
    "_a",
    "a b",
    "a/b",
    "../a",
    "a\n",
    "ä",
    7,
    null,
    undefined,
    ["a"],
  ]) {
    const said = JSON.stringify(name ?? null);
    refuses(() => parse(list({ name })), "invalid", `name ${said} is not a network's name`);
  }
});

test("a plugin's type is the name of a file, never a path", () => {
  for (const type of ["bridge", "aws-cni", "cilium.v2", "...", "it can have blanks"]) {
    assert.equal(parse(list({ plugins: [{ type }] })).plugins[0]?.type, type);
  }
  for (const type of ["/bin/sh", "../sh", "a/b", "a/", ".", ".."]) {
    const said = `plugins[0] has the type ${JSON.stringify(type)}, which is no file name`;
    refuses(() => parse(list({ plugins: [{ type }] })), "invalid", said);
    const alone = JSON.stringify({ type });
    refuses(() => parsePluginFile(alone), "invalid", said.replace("plugins[0]", "the plugin"));
  }
});

const rubbish: { title: string; text: string; message: string }[] = [
  { title: "empty", text: "", message: "it is no JSON" },
  { title: "cut off", text: '{"name":"pods"', message: "it is no JSON" },
  { title: "an array", text: "[]", message: "it is no JSON object" },
  { title: "null", text: "null", message: "it is no JSON object" },
  { title: "a text", text: '"bridge"', message: "it is no JSON object" },
  {
    title: "without plugins",
    text: JSON.stringify(list({ plugins: undefined })),
    message: "it has neither a type nor plugins",
  },
  {
    title: "with an empty list",
    text: JSON.stringify(list({ plugins: [] })),
    message: "it has neither a type nor plugins",
  },
  {
    title: "with plugins that are no list",
    text: JSON.stringify(list({ plugins: { type: "bridge" } })),
    message: "it has neither a type nor plugins",
  },
  {
    title: "with a plugin without a type",
    text: JSON.stringify(list({ plugins: [{ type: "bridge" }, { mtu: 1400 }] })),
    message: "plugins[1] has no type",
  },
  {
    title: "with an empty type",
    text: JSON.stringify(list({ plugins: [{ type: "" }] })),
    message: "plugins[0] has no type",
  },
  {
    title: "with a plugin that is no object",
    text: JSON.stringify(list({ plugins: ["bridge"] })),
    message: "plugins[0] is no JSON object",
  },
  {
    title: "of an unknown version",
    text: JSON.stringify(list({ cniVersion: "2.0.0" })),
    message: 'cniVersion "2.0.0" is unknown; known are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0',
  },
  {
    title: "of unknown versions",
    text: JSON.stringify(list({ cniVersion: 1, cniVersions: ["v1.0.0"] })),
    message: 'cniVersion 1, "v1.0.0" is unknown',
  },
];
for (const { title, text, message } of rubbish) {
  test(`a file that is ${title} is refused, and why`, () => {
    refuses(() => parseNetworkFile(text), "invalid", message);
  });
}

test("a plugin's own file is the plugin, with all its fields", () => {
  const raw = { type: "tuning", sysctl: { "net.core.somaxconn": "500" } };
  assert.deepEqual(parsePluginFile(JSON.stringify(raw)), { type: "tuning", raw });
  refuses(() => parsePluginFile("{"), "invalid", "it is no JSON");
  refuses(() => parsePluginFile("[]"), "invalid", "it is no JSON object");
  refuses(() => parsePluginFile("{}"), "invalid", "the plugin has no type");
});

test("a configuration that is kept as text is the same when it is read again, in every version", () => {
  const plugin = { type: "bridge", "x.example/own": { deep: [null, 1.5, "ü"] }, capabilities: { ips: true } };
  for (const version of cniVersions) {
    for (const flag of [true, false]) {
      const conf = networkConf(version, [plugin, "portmap"], { disableCheck: flag, disableGC: !flag });
      assert.deepEqual(fromText(toText(conf)), conf);
    }
  }
});

test("the plugin of a .conf comes back from the text with its name and version, as a list of one", () => {
  const { name, plugins } = parse({ cniVersion: "0.3.1", name: "pods", type: "ptp" });
  const conf = networkConf("0.3.1", [], { name, plugins });
  const text = JSON.parse(toText(conf)) as Json;
  assert.deepEqual(text["plugins"], [{ cniVersion: "0.3.1", name: "pods", type: "ptp" }]);
  assert.deepEqual(fromText(toText(conf)), conf);
});

test("the text is a list that no folder adds to, also for a predecessor that reads it", () => {
  const text = toText(networkConf("1.1.0", ["bridge"]));
  assert.equal(parseNetworkFile(text).inlineOnly, true);
  assert.deepEqual(JSON.parse(text), {
    cniVersion: "1.1.0",
    name: "pods",
    disableCheck: false,
    disableGC: false,
    loadOnlyInlinedPlugins: true,
    plugins: [{ type: "bridge" }],
  });
});

test("a predecessor's text with several versions is read as its newest", () => {
  assert.equal(fromText(JSON.stringify(list({ cniVersions: ["0.4.0", "1.1.0"] }))).cniVersion, "1.1.0");
});

/** Mostly what a file may have, in any place; the rest is anything that JSON can say. */
function randomValue(below: Chance, depth = 0): unknown {
  const words = ["", "bridge", "../x", "1.0.0", "true", "pods", "__proto__", "constructor", "\u0000"];
  const plain = [null, true, false, 0, -1, 1e308, ...words];
  const kind = below(depth > 3 ? 1 : 4);
  if (kind === 1) return Array.from({ length: below(4) }, () => randomValue(below, depth + 1));
  if (kind === 2) return randomConf(below, depth + 1);
  return plain[below(plain.length)];
}

const fieldNames = [
  ...["cniVersion", "cniVersions", "name", "type", "plugins", "disableCheck", "disableGC"],
  ...["loadOnlyInlinedPlugins", "capabilities", "__proto__", "toString"],
];
function randomConf(below: Chance, depth: number): Json {
  const usual = Object.entries(list()).filter(() => below(4) > 0);
  const others = fieldNames.filter(() => below(5) === 0).map((name) => [name, randomValue(below, depth)]);
  return Object.fromEntries([...usual, ...others]) as Json;
}

test("of 20000 random files each is read or refused as invalid, and what is read can be kept", () => {
  let taken = 0;
  for (let seed = 0; seed < 20_000; seed++) {
    const below = chance(seed);
    const whole = JSON.stringify(randomConf(below, 0));
    const text = below(10) === 0 ? whole.slice(0, below(whole.length)) : whole;
    try {
      const { versions, inlineOnly: _, ...file } = parseNetworkFile(text);
      taken++;
      assert.ok(versions.length > 0 && file.plugins.length > 0, text);
      for (const cniVersion of versions) {
        const conf = { ...file, cniVersion };
        assert.deepEqual(fromText(toText(conf)), conf, text);
      }
    } catch (error) {
      assert.ok(error instanceof CriError && error.kind === "invalid", `${text}: ${String(error)}`);
    }
    try {
      parsePluginFile(text);
    } catch (error) {
      assert.ok(error instanceof CriError && error.kind === "invalid", `${text}: ${String(error)}`);
    }
  }
  // Else the test would not look at what it says.
  assert.ok(taken > 1000 && taken < 19_000, String(taken));
});
