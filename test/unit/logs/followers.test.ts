import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { loadPosition } from "../../../src/logs/position.js";
import { SmallDisk, withoutMounts } from "./small-disk.js";
import { entry } from "./support.js";
import { answer, reports, setUp } from "./followers-support.js";

test("a followed container's log is there at once, and gets what Docker writes", (t) => {
  const { timing, replies, container } = setUp(t);
  const a = container("a");
  const request = a.follow();
  assert.deepEqual(answer(replies, request), { request, ok: true });
  assert.equal(statSync(a.path).size, 0);
  timing.turn(1);
  timing.pass(10);
  a.write("one\n");
  timing.turn(1);
  assert.deepEqual(a.lines(), ["F one"]);
});

test("following twice is following once", (t) => {
  const { timing, replies, container } = setUp(t);
  const a = container("a");
  a.write("one\n");
  a.follow();
  const request = a.follow();
  timing.turn(5);
  assert.deepEqual(answer(replies, request), { request, ok: true });
  assert.deepEqual(a.lines(), ["F one"]);
});

test("a log that cannot be made is not followed", (t) => {
  const { replies, ask, container, folder } = setUp(t);
  writeFileSync(join(folder, "pods"), "in the way");
  const request = container("a").follow();
  const refused = answer(replies, request);
  assert.ok(refused && "ok" in refused && !refused.ok);
  assert.equal(refused.kind, "internal");
  const reopen = ask({ action: "reopen", id: "a" });
  assert.deepEqual(answer(replies, reopen), {
    request: reopen,
    ok: false,
    error: "no log is written for container a",
    kind: "notFound",
  });
});

test("a log that there is no room for is told apart", { skip: withoutMounts }, (t) => {
  const disk = new SmallDisk(t);
  const { replies, container } = setUp(t, disk.folder);
  const a = container("a");
  mkdirSync(dirname(a.path), { recursive: true });
  disk.fillNames();
  const refused = answer(replies, a.follow());
  assert.ok(refused && "ok" in refused && !refused.ok);
  assert.equal(refused.kind, "exhausted");
});

test("other files of the folder say nothing, an event without a name says something", (t) => {
  const { timing, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  timing.pass(10);
  a.docker.append(entry("one\n"));
  a.event("config.v2.json");
  timing.turn(1);
  assert.deepEqual(a.lines(), []);
  a.event(null);
  timing.turn(1);
  assert.deepEqual(a.lines(), ["F one"]);
});

test("what no event told of is found by the sweep, with one timer for all", (t) => {
  const { timing, container } = setUp(t);
  const containers = Array.from({ length: 5 }, (_, index) => container(`c${index}`));
  for (const { follow } of containers) follow();
  timing.turn(5);
  timing.pass(10);
  assert.equal(timing.timers, 1);
  for (const { docker } of containers) docker.append(entry("one\n"));
  timing.turn(5);
  assert.deepEqual(containers[4]!.lines(), []);
  timing.pass(5000);
  timing.turn(5);
  for (const { lines } of containers) assert.deepEqual(lines(), ["F one"]);
});

test("the sweep saves how far silent containers are", (t) => {
  const { timing, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  timing.pass(10);
  a.write("one\n");
  timing.turn(1);
  assert.equal(loadPosition(a.positionFile)?.destination.size, 0);
  timing.pass(5000);
  assert.equal(loadPosition(a.positionFile)?.destination.size, statSync(a.path).size);
});

test("without file system events the sweep does it; that is told once, and events are tried again", (t) => {
  const { timing, events, replies, container } = setUp(t);
  events.error = Object.assign(new Error("System limit for number of file watchers reached"), {
    code: "ENOSPC",
  });
  const [a, b] = [container("a"), container("b")];
  a.follow();
  b.follow();
  timing.turn(2);
  a.write("one\n");
  timing.pass(5000);
  timing.turn(2);
  assert.deepEqual(a.lines(), ["F one"]);
  assert.deepEqual(reports(replies), [" watch"]);
  events.error = undefined;
  timing.pass(5000);
  timing.turn(2);
  timing.pass(10);
  a.write("two\n");
  timing.turn(2);
  assert.deepEqual(a.lines(), ["F one", "F two"]);
  events.watchers[0]!.emit("error", new Error("gone"));
  assert.equal(events.listeners.size, 1);
});

test("a noisy container is read after each rest without events, until it is silent", (t) => {
  const { timing, events, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  for (let line = 0; line < 20; line += 1) a.write(`${line}\n`);
  assert.equal(events.listeners.size, 0);
  timing.pass(10);
  timing.turn(1);
  assert.equal(a.lines().length, 20);
  a.write("unheard\n");
  timing.pass(10);
  timing.turn(1);
  assert.equal(a.lines().length, 21);
  assert.equal(events.listeners.size, 0);
  timing.pass(10);
  timing.turn(1);
  assert.equal(events.listeners.size, 1);
  timing.pass(10);
  timing.turn(1);
  a.write("heard\n");
  timing.turn(1);
  assert.equal(a.lines().length, 22);
});

test("what a noisy container says in the moment that it is taken for silent is not lost", (t) => {
  const { timing, events, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  for (let line = 0; line < 20; line += 1) a.write(`${line}\n`);
  timing.pass(10);
  timing.turn(1);
  events.onWatch = () => a.docker.append(entry("last\n"));
  timing.pass(10);
  timing.turn(1);
  assert.equal(a.lines().length, 21);
});

test("finishing is answered when all is in the log, and nothing is watched then", (t) => {
  const { timing, events, replies, ask, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  a.docker.append(entry("one\n"));
  const requests = [ask({ action: "finish", id: "a" }), ask({ action: "finish", id: "a" })];
  assert.equal(answer(replies, requests[0]!), undefined);
  timing.turn(5);
  for (const request of requests) assert.deepEqual(answer(replies, request), { request, ok: true });
  assert.deepEqual(a.lines(), ["F one"]);
  assert.equal(events.listeners.size, 0);
  const again = ask({ action: "finish", id: "a" });
  assert.deepEqual(answer(replies, again), { request: again, ok: true });
  timing.pass(5000);
  assert.equal(timing.timers, 0);
});

test("a finished container that was started again is followed again", (t) => {
  const { timing, ask, container } = setUp(t);
  const a = container("a");
  a.write("one\n");
  a.follow();
  ask({ action: "finish", id: "a" });
  timing.turn(5);
  a.docker.append(entry("two\n"));
  a.follow();
  timing.turn(5);
  assert.deepEqual(a.lines(), ["F one", "F two"]);
});

test("one without room to be finished can be forgotten", { skip: withoutMounts }, (t) => {
  const disk = new SmallDisk(t);
  const { timing, replies, ask, container, progress } = setUp(t);
  const a = container("a");
  const path = join(disk.folder, "0.log");
  const { positionFile, docker } = a;
  const sourceDirectory = dirname(docker.path);
  ask({ action: "follow", id: "a", sourceDirectory, path, positionFile });
  disk.fill(0);
  docker.append(entry("one\n"));
  const finish = ask({ action: "finish", id: "a" });
  timing.turn(5);
  assert.equal(answer(replies, finish), undefined);
  assert.deepEqual(reports(replies), ["a stalled"]);
  assert.equal(progress().stalled, 1);
  const forget = ask({ action: "forget", id: "a" });
  assert.deepEqual(answer(replies, forget), { request: forget, ok: true });
  const refused = answer(replies, finish);
  assert.ok(refused && "ok" in refused && !refused.ok);
  assert.deepEqual([existsSync(path), existsSync(positionFile)], [false, false]);
  timing.pass(10_000);
  assert.equal(timing.timers, 0);
});

test("forgetting one that is not followed is fine", (t) => {
  const { replies, ask } = setUp(t);
  const request = ask({ action: "forget", id: "a" });
  assert.deepEqual(answer(replies, request), { request, ok: true });
});

test("counters are sums over all containers, those that are forgotten too", (t) => {
  const { timing, replies, ask, container, progress } = setUp(t);
  const [a, b] = [container("a"), container("b")];
  a.docker.append(entry("one\n") + "damaged\n");
  b.docker.append(entry("two\n"));
  a.follow();
  b.follow();
  timing.turn(5);
  const bytes = statSync(a.path).size + statSync(b.path).size;
  ask({ action: "forget", id: "a" });
  assert.deepEqual(progress(), {
    lines: 2,
    bytes,
    gaps: 0,
    damaged: 1,
    followed: 1,
    stalled: 0,
    behindBytes: 0,
  });
  assert.deepEqual(reports(replies), ["a damaged"]);
});

test("what is still to be written counts over all of Docker's files, until it is in the log", (t) => {
  const { timing, ask, container, progress } = setUp(t);
  const a = container("a");
  a.docker.append(entry("one\n"));
  a.docker.rotate();
  a.docker.append(entry("two\n"));
  a.follow();
  assert.equal(progress().behindBytes, 2 * entry("one\n").length);
  timing.turn(5);
  assert.equal(progress().behindBytes, 0);
  timing.pass(10);
  a.docker.append(entry("three\n"));
  assert.equal(progress().behindBytes, entry("three\n").length);
  ask({ action: "finish", id: "a" });
  timing.turn(5);
  const { followed, behindBytes } = progress();
  assert.deepEqual([followed, behindBytes], [0, 0]);
});

test("stopping saves all positions and leaves nothing open or waiting", (t) => {
  const { timing, events, ask, container } = setUp(t);
  const a = container("a");
  a.docker.append(entry("one\n"));
  a.follow();
  timing.turn(5);
  ask({ action: "stop" });
  assert.equal(loadPosition(a.positionFile)?.destination.size, statSync(a.path).size);
  assert.deepEqual([timing.timers, events.listeners.size], [0, 0]);
});

test("a container whose folder Docker has removed is still finished", (t) => {
  const { timing, replies, ask, container } = setUp(t);
  const a = container("a");
  a.follow();
  timing.turn(1);
  a.docker.append(entry("one\n"));
  timing.pass(5000);
  timing.turn(1);
  rmSync(dirname(a.docker.path), { recursive: true });
  const request = ask({ action: "finish", id: "a" });
  timing.turn(5);
  assert.deepEqual(answer(replies, request), { request, ok: true });
  assert.deepEqual(a.lines(), ["F one"]);
});
