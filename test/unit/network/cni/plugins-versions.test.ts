/** What plugins, as real processes, say of the versions that they know. */
import assert from "node:assert/strict";
import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { makeTestPlugin } from "../../../support/cni-plugin.js";
import { setUp } from "./plugins-support.js";

test("a plugin is asked for its versions once, with a version that it is to answer in", async (t) => {
  const { plugin, plugins } = setUp(t);
  const all = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
  assert.deepEqual(await plugins.versionsOf("probe", "1.0.0"), all);
  assert.deepEqual(await plugins.versionsOf("probe", "0.4.0"), all);
  assert.deepEqual(
    plugin.calls().map(({ command, input }) => [command, input]),
    [["VERSION", { cniVersion: "1.0.0" }]],
  );
});

const replacements: { title: string; replace: (path: string) => void }[] = [
  { title: "another file", replace: (path) => void makeTestPlugin(dirname(path), "probe") },
  { title: "written over", replace: (path) => writeFileSync(path, "\n", { flag: "a" }) },
  { title: "as long as before, with another time", replace: (path) => utimesSync(path, 1e9, 1e9) },
];
for (const { title, replace } of replacements) {
  test(`a plugin that is ${title} is asked for its versions again`, async (t) => {
    const { plugin, plugins } = setUp(t);
    await plugins.versionsOf("probe", "1.0.0");
    replace(plugin.path);
    plugin.behave("VERSION", `echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0"]}'`);
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(await plugins.versionsOf("probe", "1.0.0"), ["0.4.0"]);
    }
    assert.equal(plugin.calls().length, 2);
  });
}

test("the plugins' versions are kept apart, also those of the same type in two directories", async (t) => {
  const { directory, plugin, plugins } = setUp(t);
  plugin.behave("VERSION", `echo '{"supportedVersions":["0.4.0"]}'`);
  makeTestPlugin(directory, "other").behave("VERSION", `echo '{"supportedVersions":["1.0.0"]}'`);
  assert.deepEqual(await plugins.versionsOf("probe", "1.0.0"), ["0.4.0"]);
  assert.deepEqual(await plugins.versionsOf("other", "1.0.0"), ["1.0.0"]);
  assert.deepEqual(await plugins.versionsOf("probe", "1.0.0"), ["0.4.0"]);
  rmSync(plugin.path);
  await assert.rejects(plugins.versionsOf("probe", "1.0.0"), { kind: "failedPrecondition" });
});

test("a plugin that cannot say its versions is named, and asked again", async (t) => {
  const { plugin, plugins } = setUp(t);
  for (const [script, message] of [
    ["echo hello", 'CNI plugin "probe" (VERSION) printed no JSON object but "hello\\n"'],
    [":", 'CNI plugin "probe" (VERSION) printed no JSON object but ""'],
    ["exit 1", 'CNI plugin "probe" (VERSION) ended with exit code 1 and said nothing'],
  ] as const) {
    plugin.behave("VERSION", script);
    await assert.rejects(plugins.versionsOf("probe", "1.0.0"), { kind: "internal", message });
  }
  plugin.behave("VERSION");
  assert.equal((await plugins.versionsOf("probe", "1.0.0")).length, 7);
});
