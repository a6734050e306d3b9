import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { Destination, removeFile } from "../../../src/logs/destination.js";
import { SmallDisk, withoutMounts } from "./small-disk.js";
import { temporaryFolder } from "./support.js";

function open(t: TestContext, path: string): Destination {
  const destination = Destination.atStart(path);
  t.after(() => destination.close());
  return destination;
}

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

test("a log and its folders are made with their modes, whatever the umask is", (t) => {
  const path = join(temporaryFolder(t), "pod", "app", "0.log");
  const umask = process.umask(0o077);
  try {
    open(t, path);
  } finally {
    process.umask(umask);
  }
  assert.equal(modeOf(path), 0o640);
  process.umask(0o000);
  try {
    open(t, `${path}.open`);
  } finally {
    process.umask(umask);
  }
  assert.equal(modeOf(`${path}.open`), 0o640);
});

test("folders are for all to enter", (t) => {
  const path = join(temporaryFolder(t), "pod", "0.log");
  open(t, path);
  assert.equal(modeOf(dirname(path)), 0o755);
});

test("a log that is there is gone on with, and keeps its mode", (t) => {
  const path = join(temporaryFolder(t), "0.log");
  writeFileSync(path, "a\n");
  chmodSync(path, 0o600);
  const destination = open(t, path);
  assert.deepEqual(destination.append(Buffer.from("b\n")), { bytes: 2 });
  assert.equal(readFileSync(path, "utf8"), "a\nb\n");
  assert.deepEqual([modeOf(path), destination.made, destination.size], [0o600, false, 4]);
});

test("a predecessor's link to Docker's file gives way, and Docker's file stays as it is", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "0.log");
  writeFileSync(join(folder, "docker"), "json\n");
  symlinkSync(join(folder, "docker"), path);
  open(t, path).append(Buffer.from("a\n"));
  assert.equal(lstatSync(path).isFile(), true);
  assert.equal(readFileSync(join(folder, "docker"), "utf8"), "json\n");
});

test("reopening makes no folders and follows no link", (t) => {
  const folder = temporaryFolder(t);
  assert.throws(() => Destination.reopened(join(folder, "gone", "0.log")), { code: "ENOENT" });
  assert.equal(existsSync(join(folder, "gone")), false);
  symlinkSync(join(folder, "elsewhere"), join(folder, "link"));
  assert.throws(() => Destination.reopened(join(folder, "link")), { code: "ELOOP" });
  assert.equal(existsSync(join(folder, "elsewhere")), false);
  mkdirSync(join(folder, "folder"));
  assert.throws(() => Destination.reopened(join(folder, "folder")), { code: "EISDIR" });
});

test("a log that was cut from outside is gone on with at its new end", (t) => {
  const path = join(temporaryFolder(t), "0.log");
  const destination = open(t, path);
  destination.append(Buffer.from("a\nb\n"));
  truncateSync(path);
  destination.append(Buffer.from("c\n"));
  assert.equal(readFileSync(path, "utf8"), "c\n");
});

for (const [content, trimmed, last] of [
  ["", "", ""],
  ["a\n", "a\n", "a\n"],
  ["a\nbc\n", "a\nbc\n", "bc\n"],
  ["a\nbc", "a\n", "a\n"],
  ["abc", "", ""],
  ["\n", "\n", "\n"],
  ["a\n\n", "a\n\n", "\n"],
  [`a\n${"b".repeat(70_000)}\n`, `a\n${"b".repeat(70_000)}\n`, `${"b".repeat(70_000)}\n`],
  [`a\n${"b".repeat(140_000)}`, "a\n", "a\n"],
] as const) {
  const name = JSON.stringify(content.length < 10 ? content : `${content.slice(0, 5)}…${content.slice(-3)}`);
  test(`the last whole line of ${name} is found, and a torn one cut off`, (t) => {
    const path = join(temporaryFolder(t), "0.log");
    writeFileSync(path, content);
    const destination = open(t, path);
    assert.equal(destination.trim(), content.length - trimmed.length);
    assert.equal(readFileSync(path, "utf8"), trimmed);
    assert.equal(destination.lastLine().toString(), last);
  });
}

test("a renamed log is found among those beside the path by what it is", (t) => {
  const path = join(temporaryFolder(t), "0.log");
  const { identity } = open(t, path);
  assert.equal(Destination.renamed(path, { ...identity, birth: identity.birth + 1n }), undefined);
  renameSync(path, `${path}.20240501-100000`);
  writeFileSync(path, "new\n");
  const renamed = Destination.renamed(path, identity);
  assert.deepEqual(renamed?.identity, identity);
  renamed?.close();
  rmSync(`${path}.20240501-100000`);
  assert.equal(Destination.renamed(path, identity), undefined);
});

test("only the very file is removed", (t) => {
  const path = join(temporaryFolder(t), "0.log");
  const { identity } = open(t, path);
  renameSync(path, `${path}.1`);
  removeFile(path, identity);
  writeFileSync(path, "another\n");
  removeFile(path, identity);
  assert.equal(existsSync(path), true);
  removeFile(`${path}.1`, identity);
  assert.equal(existsSync(`${path}.1`), false);
});

test("of what does not fit on the disk whole lines are kept", { skip: withoutMounts }, (t) => {
  const disk = new SmallDisk(t);
  const path = join(disk.folder, "0.log");
  const destination = open(t, path);
  destination.append(Buffer.from("a\n"));
  disk.fill(1);
  const lines = Buffer.from(`${"x".repeat(999)}\n`.repeat(20));
  const first = destination.append(lines);
  assert.equal(first.error?.code, "ENOSPC");
  assert.ok(first.bytes >= 4000 && first.bytes % 1000 === 0, `${first.bytes}`);
  assert.equal(destination.size, 2 + first.bytes);
  // There may be room for some more bytes of the page, but for no line.
  const second = destination.append(lines.subarray(first.bytes));
  assert.deepEqual([second.bytes, second.error?.code], [0, "ENOSPC"]);
  assert.equal(destination.size, 2 + first.bytes);
  disk.free();
  assert.deepEqual(destination.append(lines.subarray(first.bytes)), { bytes: lines.length - first.bytes });
  assert.equal(readFileSync(path, "utf8"), `a\n${lines.toString()}`);
});

test("no new log is left behind where there is no room for one", { skip: withoutMounts }, (t) => {
  const disk = new SmallDisk(t);
  const path = join(disk.folder, "0.log");
  writeFileSync(path, "a\n");
  disk.fillNames();
  renameSync(path, `${path}.1`);
  assert.throws(() => Destination.reopened(path), { code: "ENOSPC" });
  assert.equal(existsSync(path), false);
});
