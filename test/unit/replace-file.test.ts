import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFile } from "../../src/replace-file.js";

test("a file is replaced whole, in a folder that is made for it, and only its owner reads it", async (t) => {
  const folder = join(mkdtempSync(join(tmpdir(), "dockershim-replace.")), "made");
  t.after(() => rmSync(join(folder, ".."), { recursive: true }));
  const path = join(folder, "a.json");
  await replaceFile(path, "one");
  const { ino } = statSync(path);
  await replaceFile(path, "two");
  assert.equal(readFileSync(path, "utf8"), "two");
  assert.notEqual(statSync(path).ino, ino, "readers of the old file keep it");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["a.json"]);
});
