import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync, appendFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { expected, setUp } from "./log-world.js";

test("lines that Docker has removed while the process was away are a gap that is told", (t) => {
  const world = setUp(t, { maxFile: 2 });
  world.start();
  world.write(5);
  world.drain();
  world.write(5);
  for (let rotation = 0; rotation < 2; rotation += 1) {
    world.docker.rotate();
    world.write(5);
  }
  world.crash();
  world.drain();
  assert.equal(world.log(), expected(0, 5) + expected(10, 20));
  assert.equal(world.follower.counters.gaps, 1);
  assert.deepEqual(world.reports, ["gap 1: Docker has removed the file that was being read"]);
});

test("Docker starting again in the same file is a gap, and what it writes then is not lost in a crash", (t) => {
  const world = setUp(t, { maxFile: 1 });
  world.start();
  world.write(8);
  world.drain();
  world.docker.truncate();
  world.write(3);
  world.follower.step();
  world.crash();
  world.drain();
  world.checkExact("both");
  assert.deepEqual(world.reports, ["gap 1: Docker has started again in the same file"]);
});

test("the log tells how far it is when there is no position, also when Docker has rotated", (t) => {
  const world = setUp(t, { maxFile: 3 });
  world.start();
  for (let rotation = 0; rotation < 4; rotation += 1) {
    world.write(20);
    world.drain();
    world.docker.rotate();
  }
  world.write(20);
  appendFileSync(world.path, expected(80, 81).slice(0, 30));
  writeFileSync(world.positionFile, "{");
  world.crash();
  world.drain();
  world.checkExact("found");
  world.crash();
  world.drain();
  world.checkExact("with a position again");
  assert.match(world.reports.join("\n"), /^position 1: unreadable: .*$/);
});

test("a log whose last line is nowhere is gone on with from the oldest file, and that is told", (t) => {
  const world = setUp(t);
  mkdirSync(dirname(world.path), { recursive: true });
  writeFileSync(world.path, "another text\nand a torn one");
  world.write(10);
  world.docker.rotate();
  world.write(10);
  world.start();
  world.drain();
  assert.equal(world.log(), `another text\n${expected(0, 20)}`);
  assert.deepEqual(world.reports, ["gap 1: the log's last line is not in Docker's files"]);
});

test("a log that somebody has cut is gone on with where it was", (t) => {
  const world = setUp(t);
  world.start();
  world.write(5);
  world.drain();
  world.follower.saveIfNeeded();
  truncateSync(world.path);
  world.write(5);
  world.crash();
  world.drain();
  assert.equal(world.log(), expected(5, 10));
  assert.match(world.reports.join("\n"), /^destination 1: the log has lost \d+ bytes$/);
});

test("a log that somebody has written to loses no line", (t) => {
  const world = setUp(t);
  world.start();
  world.write(2);
  world.drain();
  world.follower.saveIfNeeded();
  appendFileSync(world.path, "another\n");
  world.write(3);
  world.crash();
  world.drain();
  assert.equal(world.log(), `${expected(0, 2)}another\n${expected(2, 5)}`);
  assert.match(world.reports.join("\n"), /^destination 1: the log's end is not what Docker's files say/);
});

test("a log that is gone is made again, and nothing is written twice", (t) => {
  const world = setUp(t);
  world.start();
  world.write(2);
  world.drain();
  world.follower.saveIfNeeded();
  rmSync(dirname(world.path), { recursive: true });
  world.write(3);
  world.crash();
  world.drain();
  assert.equal(world.log(), expected(2, 5));
  assert.deepEqual(world.reports, ["destination 1: the log that was being written is gone"]);
});

test("so does one that the kubelet has renamed since, when Docker has gone on to another file", (t) => {
  const world = setUp(t);
  world.start();
  world.write(2);
  world.drain();
  world.follower.saveIfNeeded();
  appendFileSync(world.path, "another\n".repeat(20));
  world.rename();
  world.docker.rotate();
  world.write(3);
  world.crash();
  world.drain();
  assert.equal(readFileSync(world.path, "utf8"), expected(2, 5));
  assert.match(world.reports.join("\n"), /^destination 1: the log's end is not what Docker's files say/);
});
