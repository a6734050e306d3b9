/** Which network the files of a real directory are. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { conflist, setUp } from "./conf-directory-support.js";

test("the network is the first usable one, by its file's name", async (t) => {
  const { confs, negotiated } = setUp(t, {
    "20-b.conflist": conflist("b"),
    "10-a.conflist": conflist("a"),
    "9-c.conflist": conflist("c"),
  });
  assert.equal((await confs.current()).name, "a");
  assert.deepEqual(negotiated, ["a"]);
});

test("files that are not usable give way to the next one", async (t) => {
  const { confs, unfit } = setUp(t, {
    "1.conflist": "{",
    "2.conflist": conflist("a"),
    "3.conflist": conflist("b"),
  });
  unfit.set("a", "no plugin");
  assert.deepEqual(await confs.current(), {
    ...{ name: "b", cniVersion: "1.0.0", disableCheck: false, disableGC: false },
    plugins: [{ type: "bridge", raw: { type: "bridge" } }],
  });
});

test("where no file is usable, the reason is told for each", async (t) => {
  const { directory, unfit, refused, put } = setUp(t, { "2.conf": conflist("a"), "1.conf": "{" });
  mkdirSync(join(directory, "3.json"));
  unfit.set("a", "no plugin");
  put("4.conflist", conflist("a b"));
  await refused(
    `no usable CNI configuration in ${directory}: 1.conf: it is no JSON; 2.conf: no plugin; ` +
      '3.json: EISDIR: illegal operation on a directory, read; 4.conflist: name "a b" is not a network\'s name',
  );
});

test("only files that end as configurations do are looked at", async (t) => {
  const { directory, put, refused, becomes } = setUp(t);
  for (const name of ["a", "a.conf.bak", "b.conflist~", ".conf.swp", "c.JSON", "conf", ".conf", "d.yaml"]) {
    put(name, conflist("other"));
  }
  await refused(`no CNI configuration in ${directory}`);
  for (const name of ["z.conf", "y.conflist", "x.json"]) {
    put(name, conflist(name.replace(".", "-")));
    await becomes(name.replace(".", "-"));
  }
});

test("a directory that is not there is no configuration; made later, it is seen", async (t) => {
  const { directory, put, refused, becomes } = setUp(t);
  rmSync(directory, { recursive: true });
  await refused(`no CNI configuration: ENOENT: no such file or directory, scandir '${directory}'`);
  put("a.conflist", conflist("a"));
  await becomes("a");
  put("a.conflist", conflist("b"));
  await becomes("b");
});

test("a network that was found is not read again while nothing changes", async (t) => {
  const { confs, negotiated } = setUp(t, { "a.conflist": conflist("a"), "a/1.conf": '{"type":"tuning"}' });
  const [first, ...others] = await Promise.all([confs.current(), confs.current()]);
  for (let time = 0; time < 5; time++) others.push(await confs.current());
  assert.ok(others.every((other) => other === first));
  assert.deepEqual(negotiated, ["a"]);
});

test("while there is none, each question looks again, since what is missing may be a plugin", async (t) => {
  const { confs, unfit, negotiated } = setUp(t, { "a.conflist": conflist("a") });
  unfit.set("a", "no plugin");
  await assert.rejects(confs.current());
  await assert.rejects(confs.current());
  unfit.clear();
  assert.equal((await confs.current()).name, "a");
  assert.deepEqual(negotiated, ["a", "a", "a"]);
});

test("plugins in the folder of a network's name come after its own, by their files' names", async (t) => {
  const { types } = setUp(t, {
    "a.conflist": conflist("pods"),
    "pods/20.conf": '{"type":"portmap"}',
    "pods/10.conf": '{"type":"tuning"}',
    "pods/30.conflist": conflist("other"),
    "pods/40.json": '{"type":"json"}',
    "other/10.conf": '{"type":"other"}',
    "a/10.conf": '{"type":"of the file"}',
  });
  assert.deepEqual(await types(), ["bridge", "tuning", "portmap"]);
});

for (const [title, text] of [
  ["says so", conflist("pods", { loadOnlyInlinedPlugins: true })],
  ["is one plugin", JSON.stringify({ name: "pods", type: "bridge" })],
] as const) {
  test(`a network that ${title} has no plugins but its own`, async (t) => {
    const { types } = setUp(t, { "a.conf": text, "pods/10.conf": '{"type":"tuning"}' });
    assert.deepEqual(await types(), ["bridge"]);
  });
}

test("a plugin's file that is not usable makes the network unusable, and is named", async (t) => {
  const { directory, refused } = setUp(t, { "a.conflist": conflist("pods"), "pods/10.conf": '{"mtu":1}' });
  const file = join(directory, "pods/10.conf");
  await refused(`no usable CNI configuration in ${directory}: a.conflist: ${file}: the plugin has no type`);
});

test("the log tells of each change, once", async (t) => {
  const { directory, put, unfit, confs, becomes, log } = setUp(t);
  for (let time = 0; time < 3; time++) await assert.rejects(confs.current());
  put("a.conflist", conflist("a", { plugins: [{ type: "bridge" }, { type: "portmap" }] }));
  unfit.set("a", "no plugin");
  for (let time = 0; time < 3; time++) await assert.rejects(confs.current());
  unfit.clear();
  for (let time = 0; time < 3; time++) await confs.current();
  // The same to whoever reads the log.
  put("b.conflist", conflist("b"));
  await confs.current();
  rmSync(join(directory, "b.conflist"));
  rmSync(join(directory, "a.conflist"));
  await becomes();
  const info = "pods are attached to the CNI network a (bridge, portmap; version 1.0.0)";
  assert.deepEqual(
    log.entries.map(({ level, event }) => [level, event]),
    [
      ["warn", `no CNI configuration in ${directory}`],
      ["warn", `no usable CNI configuration in ${directory}: a.conflist: no plugin`],
      ["info", info],
      ["warn", `no CNI configuration in ${directory}`],
    ],
  );
});
