import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { CriError } from "../../../src/errors.js";
import { loadPosition } from "../../../src/logs/position.js";
import { expected, setUp } from "./log-world.js";

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
