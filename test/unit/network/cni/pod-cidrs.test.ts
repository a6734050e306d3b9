import assert from "node:assert/strict";
import { rmSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { PodCidrs } from "../../../../src/network/cni/pod-cidrs.js";
import { recordingLog } from "../../../support/builders.js";
import { temporaryFolder } from "./support.js";

/** The ranges as a server has them that is started with this flag. */
function setUp(t: TestContext, folder = temporaryFolder(t)) {
  const path = join(folder, "pod-cidrs.json");
  const log = recordingLog();
  const start = async (...given: string[]) => {
    const podCidrs = new PodCidrs(path, given, log);
    await podCidrs.load();
    return podCidrs;
  };
  return { path, log, start };
}

test("the ranges are the flag's until others are said", async (t) => {
  const { start, log } = setUp(t);
  const podCidrs = await start("10.1.0.0/24");
  assert.deepEqual(podCidrs.current(), ["10.1.0.0/24"]);
  await podCidrs.set(["10.2.0.0/24", "fd00::/64"]);
  assert.deepEqual(podCidrs.current(), ["10.2.0.0/24", "fd00::/64"]);
  assert.deepEqual(log.entries, []);
});

test("what was said is known to the next server, and counts more than its flag", async (t) => {
  const { start, path } = setUp(t);
  await (await start()).set(["10.2.0.0/24"]);
  assert.deepEqual((await start("10.1.0.0/24")).current(), ["10.2.0.0/24"]);
  assert.deepEqual(readdirSync(dirname(path)), ["pod-cidrs.json"]);
});

test("an empty list says nothing: the ranges stay", async (t) => {
  const { start } = setUp(t);
  const podCidrs = await start("10.1.0.0/24");
  await podCidrs.set([]);
  assert.deepEqual(podCidrs.current(), ["10.1.0.0/24"]);
  assert.deepEqual((await start("10.3.0.0/24")).current(), ["10.3.0.0/24"]);
});

test("what was said while the file could not be written is not known; said again, it is", async (t) => {
  const { start, path } = setUp(t, join(temporaryFolder(t), "later"));
  const podCidrs = await start("10.1.0.0/24");
  writeFileSync(dirname(path), "no folder");
  await assert.rejects(podCidrs.set(["10.2.0.0/24"]), { code: "EEXIST" });
  rmSync(dirname(path));
  await podCidrs.set(["10.2.0.0/24"]);
  assert.deepEqual(podCidrs.current(), ["10.2.0.0/24"]);
  assert.deepEqual((await start()).current(), ["10.2.0.0/24"]);
});

for (const text of [
  ...["", "{", "null", "[]", '{"version":1}', '{"version":1,"podCidrs":"10.2.0.0/24"}'],
  ...['{"version":1,"podCidrs":[7]}', '{"version":1,"podCidrs":null}'],
  ...['{"version":2,"podCidrs":["10.2.0.0/24"]}'],
]) {
  test(`a file with ${text === "" ? "nothing in it" : text} is as none, which the log tells`, async (t) => {
    const { start, path, log } = setUp(t);
    writeFileSync(path, text);
    const podCidrs = await start("10.1.0.0/24");
    assert.deepEqual(podCidrs.current(), ["10.1.0.0/24"]);
    const told = log.entries.map(({ level, event, fields }) => [level, event, fields["path"]]);
    assert.deepEqual(told, [["warn", "the pods' address ranges cannot be read", path]]);
    await podCidrs.set(["10.2.0.0/24"]);
    assert.deepEqual((await start()).current(), ["10.2.0.0/24"]);
  });
}

test("of two that are said at the same time the later one is kept, and both are heard", async (t) => {
  const { start } = setUp(t);
  const podCidrs = await start();
  await Promise.all([podCidrs.set(["10.2.0.0/24"]), podCidrs.set(["10.3.0.0/24"])]);
  assert.deepEqual(podCidrs.current(), ["10.3.0.0/24"]);
  assert.deepEqual((await start()).current(), ["10.3.0.0/24"]);
});
