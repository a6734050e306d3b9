import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  loadPosition,
  makePositionFolder,
  removePosition,
  savePosition,
  type Position,
} from "../../../src/logs/position.js";
import { temporaryFolder } from "./support.js";

const position: Position = {
  source: { ino: 2n ** 63n + 1n, birth: 1_714_557_600_123_456_789n, offset: 5 },
  ahead: 7,
  destination: { ino: 3n, birth: 0n, size: 11 },
  done: false,
};

for (const [title, value] of [
  ["of a file that is being read", position],
  ["before there is a file", { ...position, source: null }],
  ["of a log that is complete", { ...position, done: true }],
] as const) {
  test(`a position comes back as it was saved: one ${title}`, (t) => {
    const file = join(temporaryFolder(t), "logs", "x.json");
    makePositionFolder(file);
    savePosition(file, position);
    savePosition(file, value);
    assert.deepEqual(loadPosition(file), value);
    assert.deepEqual(readdirSync(join(file, "..")), ["x.json"]);
  });
}

test("without a file there is no position", (t) => {
  assert.equal(loadPosition(join(temporaryFolder(t), "x.json")), undefined);
});

test("a removed position leaves nothing, and may be removed again", (t) => {
  const file = join(temporaryFolder(t), "x.json");
  savePosition(file, position);
  writeFileSync(`${file}.tmp`, "{");
  for (let time = 0; time < 2; time += 1) {
    removePosition(file);
    assert.deepEqual([existsSync(file), existsSync(`${file}.tmp`)], [false, false]);
  }
});

test("a position that cannot be saved leaves the old one", (t) => {
  const file = join(temporaryFolder(t), "x.json");
  savePosition(file, position);
  makePositionFolder(join(`${file}.tmp`, "in the way"));
  assert.throws(() => savePosition(file, { ...position, done: true }), { code: "EISDIR" });
  assert.deepEqual(loadPosition(file), position);
});

test("what is no position of ours is refused", (t) => {
  const file = join(temporaryFolder(t), "x.json");
  savePosition(file, position);
  const saved = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const { source, destination } = saved as Record<string, object>;
  for (const broken of [
    "",
    "{",
    "null",
    "[]",
    "7",
    ...[
      { ...saved, version: 2 },
      { ...saved, source: 5 },
      { ...saved, source: undefined },
      { ...saved, source: { ...source, offset: -1 } },
      { ...saved, source: { ...source, offset: "5" } },
      { ...saved, source: { ...source, ino: 5 } },
      { ...saved, source: { ...source, birth: "-5" } },
      { ...saved, ahead: 1.5 },
      { ...saved, destination: null },
      { ...saved, destination: { ...destination, size: null } },
      { ...saved, done: "no" },
    ].map((value) => JSON.stringify(value)),
  ]) {
    writeFileSync(file, broken);
    assert.throws(() => loadPosition(file), Error, broken);
  }
});
