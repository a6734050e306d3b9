import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { appendFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { test, type TestContext } from "node:test";
import { CriError } from "../../../src/errors.js";
import { loadPosition } from "../../../src/logs/position.js";
import { LogWorld } from "./log-world.js";
import { temporaryFolder } from "./support.js";

function setUp(t: TestContext, options: { maxFile?: number; bufferBytes?: number } = {}): LogWorld {
  const world = new LogWorld(temporaryFolder(t), options);
  t.after(() => world.follower.close());
  return world;
}

const expected = (from: number, to: number): string =>
  LogWorld.expected(Array.from({ length: to - from }, (_, index) => from + index));

test("lines come into the log as Docker writes them", (t) => {
  const world = setUp(t);
  world.start();
  assert.equal(world.drain(), "idle");
  assert.equal(world.log(), "");
  for (let round = 0; round < 5; round += 1) {
    world.write(round);
    assert.equal(world.drain(), "idle");
    world.checkExact("after each round");
  }
  assert.deepEqual(world.reports, []);
  assert.equal(world.follower.counters.lines, 10);
  assert.equal(world.follower.counters.bytes, statSync(world.path).size);
});

test("a step does no more than one buffer", (t) => {
  const world = setUp(t, { bufferBytes: 1024 });
  world.write(100);
  world.start();
  assert.equal(world.follower.step(), "more");
  assert.ok(statSync(world.path).size <= 1024);
  world.drain();
  world.checkExact("in the end");
});

test("an entry that is half written waits for its other half", (t) => {
  const world = setUp(t);
  const whole = world.entryOf(0);
  world.start();
  world.docker.append(whole.slice(0, 20));
  assert.equal(world.drain(), "idle");
  world.docker.append(whole.slice(20));
  world.lines = 1;
  assert.equal(world.drain(), "idle");
  world.checkExact("whole");
  assert.deepEqual(world.reports, []);
});

test("an entry that Docker never ended is counted, in a file that is done with and at the end", (t) => {
  const world = setUp(t);
  world.write();
  world.docker.append('{"log":"to');
  world.docker.rotate();
  world.write();
  world.docker.append('{"log":"to');
  world.start();
  world.follower.finish();
  world.drain();
  world.checkExact("the others");
  assert.equal(world.follower.counters.damaged, 2);
  assert.equal(world.reports.length, 2);
});

test("entries behind a hole of zeros are found", (t) => {
  const world = setUp(t);
  world.docker.append(Buffer.alloc(5000));
  world.write(3);
  world.start();
  world.drain();
  world.checkExact("behind the hole");
  assert.ok(world.follower.counters.damaged > 0);
});

test("finishing reads all of Docker's files to their ends, once", (t) => {
  const world = setUp(t);
  world.write(20);
  world.docker.rotate();
  world.write(20);
  world.start();
  world.follower.finish();
  assert.equal(world.follower.done, false);
  assert.equal(world.drain(), "idle");
  assert.equal(world.follower.done, true);
  assert.equal(world.follower.step(), "idle");
  world.checkExact("all");
  assert.equal(loadPosition(world.positionFile)?.done, true);
});

test("a complete log is left alone by the next process, also when it is gone", (t) => {
  const world = setUp(t);
  world.write(3);
  world.start();
  world.follower.finish();
  world.drain();
  rmSync(dirname(world.path), { recursive: true });
  world.crash();
  assert.equal(world.follower.done, true);
  assert.equal(existsSync(dirname(world.path)), false);
  rmSync(dirname(world.docker.path), { recursive: true });
  world.crash();
  assert.equal(world.follower.done, true);
  assert.deepEqual(world.reports, []);
});

test("a container that was started again goes on in its complete log", (t) => {
  const world = setUp(t);
  world.write(3);
  world.start();
  world.follower.finish();
  world.drain();
  world.write(3);
  world.crash();
  assert.equal(world.follower.done, false);
  world.drain();
  world.checkExact("both runs");
});

test("a container that never wrote has an empty log when it is finished", (t) => {
  const world = setUp(t);
  world.start();
  world.follower.finish();
  world.drain();
  assert.equal(world.follower.done, true);
  assert.equal(world.log(), "");
});

test("after a reopen lines go to the new file, all before it to the old one", (t) => {
  const world = setUp(t);
  world.start();
  world.write(3);
  world.drain();
  world.rename();
  world.write(2);
  world.drain();
  world.follower.reopen();
  assert.equal(readFileSync(`${world.path}.00001`, "utf8"), expected(0, 5));
  assert.equal(readFileSync(world.path, "utf8"), "");
  world.write(2);
  world.drain();
  assert.equal(readFileSync(world.path, "utf8"), expected(5, 7));
  assert.equal(statSync(world.path).mode & 0o777, 0o640);
});

test("a reopen without a rename changes nothing", (t) => {
  const world = setUp(t);
  world.start();
  world.write(3);
  world.drain();
  world.follower.reopen();
  world.write(3);
  world.drain();
  world.checkExact("one file");
});

test("a reopen that fails leaves the old log in use, and no new one", (t) => {
  const world = setUp(t);
  world.start();
  world.write(3);
  world.drain();
  const away = `${dirname(world.path)}.away`;
  renameSync(dirname(world.path), away);
  assert.throws(() => world.follower.reopen(), { code: "ENOENT" });
  assert.equal(existsSync(dirname(world.path)), false);
  renameSync(away, dirname(world.path));
  world.rename();
  mkdirSync(`${world.positionFile}.tmp`);
  assert.throws(() => world.follower.reopen(), { code: "EISDIR" });
  assert.equal(existsSync(world.path), false);
  rmSync(`${world.positionFile}.tmp`, { recursive: true });
  world.write(3);
  world.drain();
  world.checkExact("in the renamed file");
});

test("a complete log is not reopened", (t) => {
  const world = setUp(t);
  world.start();
  world.follower.finish();
  world.drain();
  world.rename();
  assert.throws(
    () => world.follower.reopen(),
    (error) => error instanceof CriError && error.kind === "failedPrecondition",
  );
  assert.equal(existsSync(world.path), false);
});

test("forgetting removes the log and the position, and not what the kubelet has renamed", (t) => {
  const world = setUp(t);
  world.start();
  world.write(3);
  world.drain();
  world.rename();
  world.follower.reopen();
  world.follower.forget();
  assert.deepEqual([existsSync(world.path), existsSync(world.positionFile)], [false, false]);
  assert.equal(existsSync(`${world.path}.00001`), true);
});

test("forgetting removes a log that was complete before the process started", (t) => {
  const world = setUp(t);
  world.start();
  world.follower.finish();
  world.drain();
  world.crash();
  world.follower.forget();
  assert.deepEqual([existsSync(world.path), existsSync(world.positionFile)], [false, false]);
});

test("forgetting leaves a file of the log's name that is not the log", (t) => {
  const world = setUp(t);
  world.start();
  world.rename();
  writeFileSync(world.path, "another\n");
  world.follower.forget();
  assert.equal(readFileSync(world.path, "utf8"), "another\n");
});

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
