/** Attachments' files in a real directory, as libcni's cache has them. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Json } from "../../../../src/network/cni/conf.js";
import type { AttachmentRecord } from "../../../../src/network/cni/records.js";
import { a, b, base64, plugins, predecessors, record, result, setUp } from "./records-support.js";
import { networkConf } from "./support.js";

test("the file of a predecessor's pod is understood, as the file of nobody's engine", async (t) => {
  const { start, put, log } = setUp(t);
  put(`k8s-pods-${a}-eth0`, JSON.stringify(predecessors()));
  const records = await start();
  const want: AttachmentRecord = {
    containerId: a,
    conf: {
      ...{ name: "k8s-pods", cniVersion: "0.4.0", disableCheck: false, disableGC: false },
      plugins: plugins.map((raw) => ({ type: raw.type, raw })),
    },
    netns: "",
    args: [
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", "default"],
      ["K8S_POD_NAME", "web"],
      ["K8S_POD_INFRA_CONTAINER_ID", a],
    ],
    capabilityArgs: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp", hostIP: "" }] },
    result,
    partial: false,
    engine: undefined,
  };
  assert.deepEqual(records.get(a), want);
  assert.deepEqual(records.all(), [want]);
  assert.deepEqual(log.entries, []);
});

test("what libcni leaves out, since it was empty, is empty", async (t) => {
  const { start, put } = setUp(t);
  const { kind, containerId, config, ifName, networkName } = predecessors();
  const least = { kind, containerId, config, ifName, networkName };
  put(`k8s-pods-${a}-eth0`, JSON.stringify({ ...least, netns: "/var/run/docker/netns/1" }));
  const found = (await start()).get(a);
  assert.deepEqual(
    [found?.args, found?.capabilityArgs, found?.result, found?.netns],
    [[], {}, undefined, "/var/run/docker/netns/1"],
  );
});

test("a predecessor's network of one plugin is a list of one", async (t) => {
  const { start, put } = setUp(t);
  const alone = { name: "pods", type: "ptp", mtu: 1400 };
  put(`pods-${a}-eth0`, JSON.stringify(predecessors({ config: base64(alone), networkName: "pods" })));
  assert.deepEqual((await start()).get(a)?.conf, {
    ...{ name: "pods", cniVersion: "0.1.0", disableCheck: false, disableGC: false },
    plugins: [{ type: "ptp", raw: alone }],
  });
});

test("our file has the form and name of libcni's, and what only we know in a field of its own", async (t) => {
  const { start, results, files } = setUp(t);
  const kept = record({ formerIps: ["10.1.0.5/24"] });
  await (await start()).save(kept);
  assert.deepEqual(files(), [`pods-${a}-eth0`]);
  const path = join(results, `pods-${a}-eth0`);
  const { config, ...rest } = JSON.parse(readFileSync(path, "utf8")) as Json & { config: string };
  assert.deepEqual(rest, {
    kind: "cniCacheV1",
    containerId: a,
    ifName: "eth0",
    networkName: "pods",
    netns: `/run/netns/cni-${a}`,
    cniArgs: kept.args,
    capabilityArgs: kept.capabilityArgs,
    result,
    dockershim: { engine: "engine-1", partial: false, formerIps: ["10.1.0.5/24"] },
  });
  assert.deepEqual(JSON.parse(String(Buffer.from(config, "base64"))), {
    ...{ name: "pods", cniVersion: "0.4.0", disableCheck: false, disableGC: false },
    loadOnlyInlinedPlugins: true,
    plugins: [{ type: "bridge" }, { type: "portmap", capabilities: { portMappings: true } }],
  });
});

test("nobody but root reads the files", async (t) => {
  const { start, results } = setUp(t);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  await (await start()).save(record());
  const modes = [results, join(results, `pods-${a}-eth0`)].map((path) => statSync(path).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o600]);
});

for (const [title, kept] of [
  ["an attachment", record()],
  ["an attachment that was begun", record({ result: undefined, partial: true })],
  [
    "an attachment that was begun again",
    record({ result: undefined, partial: true, formerIps: ["10.1.0.5/24", "fd00::5/64"] }),
  ],
  ["an attachment that came to the first plugin's result", record({ partial: true })],
  ["an attachment of no engine", record({ engine: undefined })],
  [
    "an attachment of every kind of plugin",
    record({ conf: networkConf("1.1.0", [{ type: "x", deep: [{}] }]) }),
  ],
] as const) {
  test(`${title} is the same to the next server`, async (t) => {
    const { start, log } = setUp(t);
    const records = await start();
    await records.save(kept);
    assert.deepEqual(records.get(a), kept);
    const next = await start();
    assert.deepEqual(next.get(a), kept);
    assert.deepEqual(log.entries, []);
  });
}

test("a record counts as soon as it is to be saved", async (t) => {
  const records = await setUp(t).start();
  const saving = records.save(record());
  assert.deepEqual(records.get(a), record());
  await saving;
});

test("a record that is saved again takes the place of the first", async (t) => {
  const { start, files } = setUp(t);
  const records = await start();
  await records.save(record({ result: undefined }));
  await records.save(record());
  assert.deepEqual(records.all(), [record()]);
  assert.deepEqual(files(), [`pods-${a}-eth0`]);
  assert.deepEqual((await start()).all(), [record()]);
});

test("pods of several networks are kept apart, and each is removed alone; to remove again is no error", async (t) => {
  const { start, files } = setUp(t);
  const records = await start();
  const other = record({ containerId: b, conf: networkConf("1.0.0", ["ptp"], { name: "other" }) });
  await Promise.all([records.save(record()), records.save(other)]);
  assert.deepEqual(files(), [`other-${b}-eth0`, `pods-${a}-eth0`]);
  const next = await start();
  assert.deepEqual([next.get(a), next.get(b), next.all().length], [record(), other, 2]);
  await next.remove(record());
  await next.remove(record());
  assert.deepEqual([next.get(a), next.all()], [undefined, [other]]);
  assert.deepEqual(files(), [`other-${b}-eth0`]);
});

test("where there is no cache directory there are no records", async (t) => {
  const records = await setUp(t).start();
  assert.deepEqual([records.all(), records.get(a)], [[], undefined]);
});

test("a pod's other interfaces are somebody else's: their files stay, and nothing is said", async (t) => {
  const { start, put, files, log } = setUp(t);
  put(`k8s-pods-${a}-net1`, JSON.stringify(predecessors({ ifName: "net1" })));
  put(`k8s-pods-${b}-eth0`, JSON.stringify(predecessors({ containerId: b })));
  const records = await start();
  assert.deepEqual(
    records.all().map(({ containerId }) => containerId),
    [b],
  );
  assert.equal(files().length, 2);
  assert.deepEqual(log.entries, []);
});
