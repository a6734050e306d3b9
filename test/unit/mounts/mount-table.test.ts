import assert from "node:assert/strict";
import { test } from "node:test";
import { mountOf, parseMountTable, treeAt } from "../../../src/mounts/mount-table.js";

/** Lines of id, parent and mount point. */
const table = (...lines: string[]) =>
  parseMountTable(
    lines
      .map((line) => {
        const [id, parent, path] = line.split(" ");
        return `${id} ${parent} 0:1 / ${path} rw,relatime - tmpfs tmpfs rw\n`;
      })
      .join(""),
  );
const ids = (entries: { id: string }[]): string => entries.map(({ id }) => id).join(" ");

test("a line of the kernel's is understood", () => {
  const line = String.raw`36 35 98:0 /mnt1 /mnt/a\040b\134c ro,noatime,nosuid shared:1 master:2 - ext3 /dev/x rw,errors=continue`;
  assert.deepEqual(parseMountTable(`${line}\n`), [
    {
      id: "36",
      parent: "35",
      mountPoint: "/mnt/a b\\c",
      options: ["ro", "noatime", "nosuid"],
      shared: true,
      slave: true,
    },
  ]);
});

for (const [tags, shared, slave] of [
  ["", false, false],
  ["shared:7 ", true, false],
  ["master:7 ", false, true],
  ["master:7 propagate_from:2 ", false, true],
  ["unbindable ", false, false],
] as const) {
  test(`a mount with the tags "${tags.trim()}" ${shared ? "is" : "is not"} shared, ${slave ? "is" : "is not"} a slave`, () => {
    const [entry] = parseMountTable(`1 0 0:1 / /m rw ${tags}- tmpfs shared:9 rw\n`);
    assert.deepEqual([entry?.shared, entry?.slave], [shared, slave]);
  });
}

for (const [title, entries, path, expected] of [
  [
    "a mount's tree is it and what is below, not what begins alike",
    ["1 0 /", "2 1 /a", "3 2 /a/b", "4 1 /ab"],
    "/a",
    "2 3",
  ],
  ["a path that is no mount has what is mounted below it", ["1 0 /", "3 1 /a/b"], "/a", "3"],
  ["the whole machine is a tree", ["1 0 /", "2 1 /a"], "/", "1 2"],
  ["of two mounts at one place only the upper can be reached", ["1 0 /", "2 1 /a", "3 2 /a"], "/a", "3"],
  ["what is covered with its folder cannot be reached", ["1 0 /", "2 1 /a/b/c", "3 1 /a/b"], "/a", "3"],
  ["what is mounted on a cover can be", ["1 0 /", "2 1 /a/b/c", "3 1 /a/b", "4 3 /a/b/c"], "/a", "3 4"],
] as const) {
  test(title, () => assert.equal(ids(treeAt(table(...entries), path)), expected));
}

for (const [path, expected] of [
  ["/", "1"],
  ["/a", "3"],
  ["/a/b", "4"],
  ["/a/bc", "3"],
  ["/c", "1"],
] as const) {
  test(`${path} is on the innermost mount that can be reached`, () =>
    assert.equal(mountOf(table("1 0 /", "2 1 /a", "3 2 /a", "4 3 /a/b"), path)?.id, expected));
}
