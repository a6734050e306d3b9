import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { countFiles } from "../../../src/stats/count-files.js";

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "dockershim-count."));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
const atOnce = () => undefined;

test("names that are no text are names", async (t) => {
  const root = folder(t);
  const name = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(name);
  writeFileSync(Buffer.concat([name, Buffer.from("/file")]), "x");
  assert.equal((await countFiles(root, atOnce)).inodes, 3);
});

test("a root that a link leads to is counted, a link below is not followed", async (t) => {
  const [root, other] = [folder(t), folder(t)];
  writeFileSync(join(root, "file"), "x");
  linkSync(join(root, "file"), join(root, "again"));
  symlinkSync(root, join(other, "link"));
  assert.equal((await countFiles(join(other, "link"), atOnce)).inodes, 2);
  assert.equal((await countFiles(other, atOnce)).inodes, 2);
});

for (const [title, path] of [
  ["a folder", "inner"],
  ["a folder on the way to it", ""],
] as const) {
  test(`${title} that is replaced by a link while others are counted is not entered`, async (t) => {
    const [root, elsewhere] = [folder(t), folder(t)];
    mkdirSync(join(root, "a/inner"), { recursive: true });
    mkdirSync(join(elsewhere, "inner"));
    for (let index = 0; index < 5; index++) writeFileSync(join(elsewhere, "inner", String(index)), "");
    // After the root's and a's names are known, and before a/inner is looked into.
    const swap = (): void => {
      const at = join(root, "a", path);
      renameSync(at, join(folder(t), "moved"));
      symlinkSync(join(elsewhere, path), at);
    };
    let rests = 0;
    // A folder has two rests: when its names are read, and when they have been looked at.
    const { inodes } = await countFiles(root, () => {
      if (++rests === 4) swap();
    });
    assert.equal(rests, 4);
    assert.equal(inodes, 3);
  });
}

test("what the rest throws ends the count", async (t) => {
  const stop = () => {
    throw new Error("enough");
  };
  await assert.rejects(countFiles(folder(t), stop), /enough/);
});

test("a folder that is not there has no inodes", async (t) => {
  assert.deepEqual(await countFiles(join(folder(t), "missing"), atOnce), { bytes: 0, inodes: 0 });
});
