import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ExtraResourcesStore } from "../../../src/containers/extra-resources.js";
import { recordingLog } from "../../support/builders.js";

const extra = {
  unified: { "memory.high": "1" },
  hugepageLimits: [{ pageSize: "2MB", limit: "0" }],
  oomScoreAdj: 5,
};

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "dockershim-extra."));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("what was saved is known to the next server, and goes with its container", async (t) => {
  const directory = join(folder(t), "resources");
  const store = new ExtraResourcesStore(directory, recordingLog());
  await store.load();
  await store.save("a", extra);
  await store.save("b", { ...extra, oomScoreAdj: undefined });
  const next = new ExtraResourcesStore(directory, recordingLog());
  await next.load();
  assert.deepEqual(next.get("a"), extra);
  assert.deepEqual(next.get("b"), { ...extra, oomScoreAdj: undefined });
  await next.gone("a");
  await next.gone("a");
  assert.deepEqual([next.get("a"), readdirSync(directory)], [undefined, ["b.json"]]);
  await next.keepOnly(new Set(["a"]));
  assert.deepEqual([next.get("b"), readdirSync(directory)], [undefined, []]);
});

for (const text of ["", "{", '{"version":2}']) {
  test(`a file that holds ${JSON.stringify(text)} is told in the log, and no reason to stop`, async (t) => {
    const directory = folder(t);
    writeFileSync(join(directory, "a.json"), text);
    writeFileSync(join(directory, ".b.json"), text);
    const log = recordingLog();
    const store = new ExtraResourcesStore(directory, log);
    await store.load();
    assert.equal(store.get("a"), undefined);
    assert.deepEqual(
      log.entries.map(({ level, event }) => [level, event]),
      [["warn", "a container's resources cannot be read"]],
    );
  });
}
