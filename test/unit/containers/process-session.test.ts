import assert from "node:assert/strict";
import { test } from "node:test";
import { membersOf, parseStat, type ProcessStat } from "../../../src/containers/process-session.js";

const rest = "0 -1 4194560 109 0 0 0 0 0 0 0 20 0 1 0 1000 2244608 179";
for (const [title, command] of [
  ["an ordinary name", "sleep"],
  ["a name with spaces", "Web Content"],
  ["a name with a closing parenthesis", "a) S 1 1 1"],
  ["a name of parentheses", ")))((("],
  ["a name that looks like the fields after it", ") R 7 8 9 ("],
  ["an empty name", ""],
  ["a name with a newline", "a\nb"],
]) {
  test(`a process with ${title} is read right`, () => {
    assert.deepEqual(parseStat(`4242 (${command}) S 17 4240 99 ${rest}\n`), {
      pid: 4242,
      parent: 17,
      session: 99,
    });
  });
}

for (const [title, text] of [
  ["left before it was read", ""],
  ["has no numbers", "garbage"],
  ["is cut off after the name", "4242 (sleep)"],
  ["is cut off before the session", "4242 (sleep) S 17 4240"],
] as const) {
  test(`a process whose stat ${title} is none`, () => assert.equal(parseStat(text), undefined));
}

const process = (pid: number, parent: number, session: number): ProcessStat => ({ pid, parent, session });
/** An exec (100) beside the container's own first process (10), both children of a shim (5). */
const others = [process(1, 0, 1), process(5, 1, 5), process(10, 5, 10), process(11, 10, 10)];

for (const [title, family, expected] of [
  ["a lone process", [], [100]],
  ["its child", [process(101, 100, 100)], [100, 101]],
  ["a grandchild", [process(101, 100, 100), process(102, 101, 100)], [100, 101, 102]],
  ["a grandchild that is listed first", [process(102, 101, 100), process(101, 100, 100)], [100, 101, 102]],
  [
    "a child that began a session of its own",
    [process(101, 100, 101), process(102, 101, 101)],
    [100, 101, 102],
  ],
  ["a process of its session whose parent has left", [process(103, 1, 100)], [100, 103]],
  [
    "a child of such a process, in a session of its own",
    [process(103, 1, 100), process(104, 103, 104)],
    [100, 103, 104],
  ],
] as [string, ProcessStat[], number[]][]) {
  test(`an exec that is killed takes ${title} along, and nothing else`, () => {
    const found = membersOf(100, [...others, process(100, 5, 100), ...family]);
    assert.deepEqual(
      found.sort((a, b) => a - b),
      expected,
    );
  });
}

test("an exec whose first process has left still has its session's processes", () => {
  assert.deepEqual(membersOf(100, [...others, process(101, 1, 100)]), [100, 101]);
});

test("processes that are each other's parents, as a half-read list can have it, come to an end", () => {
  assert.deepEqual(membersOf(100, [process(100, 101, 1), process(101, 100, 1)]), [100, 101]);
});
