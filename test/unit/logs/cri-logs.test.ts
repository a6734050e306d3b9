/** What becomes of containers' logs as containers come and go; the thread that writes them is a fake. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { CriError } from "../../../src/errors.js";
import { CriLogs, type CriLogsDependencies } from "../../../src/logs/cri-logs.js";
import { deferred } from "../../../src/waiting.js";
import { containerInspect, fullId, recordingLog } from "../../support/builders.js";
import { turns } from "../../support/scripted-engine.js";
import { temporaryFolder } from "./support.js";

type Thread = CriLogsDependencies["thread"];

/** Keeps positions as the real one does, and writes no logs. */
class FakeThread implements Thread {
  /** The position files of what it follows, by container. */
  readonly followed = new Map<string, string>();
  /** What happens before it does what it is asked for; a test may hold it up there, or let it fail. */
  readonly before: Record<"follow" | "finish" | "forget", (id: string) => Promise<void>> = {
    follow: () => Promise.resolve(),
    finish: () => Promise.resolve(),
    forget: () => Promise.resolve(),
  };

  async follow({ id, positionFile }: Parameters<Thread["follow"]>[0]): Promise<void> {
    await this.before.follow(id);
    writeFileSync(positionFile, "{}");
    this.followed.set(id, positionFile);
  }

  async finish(id: string): Promise<void> {
    await this.before.finish(id);
    if (!this.followed.has(id)) throw new CriError("notFound", `no log is written for container ${id}`);
  }

  async forget(id: string): Promise<void> {
    await this.before.forget(id);
    rmSync(this.followed.get(id) ?? "", { force: true });
    this.followed.delete(id);
  }

  reopen = () => Promise.resolve();
  progress = () =>
    Promise.resolve({ lines: 0, bytes: 0, gaps: 0, damaged: 0, followed: 0, stalled: 0, behindBytes: 0 });
  close = () => Promise.resolve();
}

function setUp(t: TestContext) {
  const folder = temporaryFolder(t);
  const directory = join(folder, "positions");
  mkdirSync(directory);
  const log = recordingLog();
  const thread = new FakeThread();
  const host = { facts: () => Promise.resolve({ rootDirectory: join(folder, "docker") }) };
  const logs = new CriLogs({ thread, host, directory, log });
  const predecessors = (start: string, state: "running" | "exited" = "running") => {
    const Id = fullId(start);
    const path = join(folder, `${start}.log`);
    const LogPath = join(folder, "docker/containers", Id, `${Id}-json.log`);
    const State = { Running: state === "running", Status: state };
    return containerInspect({
      Id,
      LogPath,
      State,
      Config: { Labels: { "io.kubernetes.container.logpath": path } },
    });
  };
  const container = (...args: Parameters<typeof predecessors>) => {
    const { HostConfig, ...rest } = predecessors(...args);
    return { ...rest, HostConfig: { ...HostConfig, LogConfig: logs.driver } };
  };
  const positions = () =>
    readdirSync(directory)
      .map((name) => name.replace(/0*\.json$/, ""))
      .sort();
  return { logs, thread, log, directory, container, predecessors, positions };
}

const refused = (kind: "unavailable" | "internal") => () =>
  Promise.reject(new CriError(kind, "the thread does not want to"));

for (const state of ["running", "exited"] as const) {
  test(`when somebody else removes a container (${state}), it is not followed any more and its position goes`, async (t) => {
    const { logs, thread, log, container, positions } = setUp(t);
    await logs.seen(container("a", state));
    await logs.seen(container("b", state));
    assert.deepEqual(positions(), ["a", "b"]);
    await logs.gone(fullId("a"));
    assert.deepEqual([...thread.followed.keys()], [fullId("b")]);
    assert.deepEqual(positions(), ["b"]);
    await assert.rejects(logs.reopen(container("a")), { kind: "failedPrecondition" });
    assert.deepEqual(log.entries, []);
  });
}

test("a container that we remove, and that Docker then says is gone, is removed once", async (t) => {
  const { logs, thread, log, container, positions } = setUp(t);
  await logs.seen(container("a"));
  await Promise.all([logs.removed(container("a")), logs.gone(fullId("a"))]);
  await logs.gone(fullId("a"));
  assert.deepEqual([thread.followed.size, positions(), log.entries], [0, [], []]);
});

for (const [step, hold] of [
  ["the log's maker", "follow"],
  ["the container's last lines", "finish"],
] as const) {
  test(`a container that is removed while a look waits for ${step} leaves nothing, and is no trouble`, async (t) => {
    const { logs, thread, log, container, positions } = setUp(t);
    const held = deferred();
    const reached = deferred();
    thread.before[hold] = () => {
      reached.resolve();
      return held.promise;
    };
    const look = logs.seen(container("a", "exited"));
    await reached.promise;
    const gone = logs.gone(fullId("a"));
    await turns();
    held.resolve();
    await Promise.all([look, gone]);
    assert.deepEqual([thread.followed.size, positions(), log.entries], [0, [], []]);
  });
}

test("a log that cannot be removed with its container is warned of, and the container is removed", async (t) => {
  const { logs, thread, log, container } = setUp(t);
  await logs.seen(container("a"));
  thread.before.forget = refused("internal");
  await logs.gone(fullId("a"));
  await logs.removed(container("a"));
  assert.deepEqual(
    log.entries.map(({ level, fields }) => [level, fields.containerId]),
    [
      ["warn", fullId("a")],
      ["warn", fullId("a")],
    ],
  );
});

test("a predecessor's container is not followed, and its link goes with it", async (t) => {
  const { logs, thread, predecessors, directory } = setUp(t);
  const old = predecessors("a");
  symlinkSync(old.LogPath, join(directory, "../a.log"));
  await logs.prepare(old);
  await logs.seen(old);
  await logs.seen(predecessors("a", "exited"));
  await assert.rejects(logs.reopen(old), { kind: "failedPrecondition" });
  assert.equal(thread.followed.size, 0);
  await logs.removed(old);
  assert.deepEqual(readdirSync(join(directory, "..")), ["positions"]);
});

test("a container that a predecessor has started a moment ago, and not linked yet, is left to it", async (t) => {
  const { logs, thread, predecessors, positions } = setUp(t);
  await logs.seen(predecessors("a"));
  assert.deepEqual([thread.followed.size, positions()], [0, []]);
});

test("a predecessor's container that we start is followed, also after a restart of ours", async (t) => {
  const { logs, thread, predecessors, directory, log } = setUp(t);
  await logs.prepare(predecessors("a"));
  assert.equal(thread.followed.size, 1);
  const host = { facts: () => Promise.resolve({ rootDirectory: "/nowhere" }) };
  const restarted = { thread: new FakeThread(), host, directory, log };
  await new CriLogs(restarted).seen(predecessors("a"));
  assert.equal(restarted.thread.followed.size, 1);
});

test("what was removed while nobody listened is forgotten with its positions, and nothing else is", async (t) => {
  const { logs, thread, log, directory, container, positions } = setUp(t);
  for (const start of ["a", "b"]) await logs.seen(container(start));
  for (const start of ["c", "d"]) await logs.seen(container(start, "exited"));
  // Of containers that an earlier process has followed.
  for (const start of ["e", "f"]) writeFileSync(join(directory, `${fullId(start)}.json`), "{}");
  writeFileSync(join(directory, `${fullId("e")}.json.tmp`), "");
  await logs.keepOnly(new Set([fullId("a"), fullId("c"), fullId("f")]));
  assert.deepEqual([...thread.followed.keys()], [fullId("a"), fullId("c")]);
  assert.deepEqual(positions(), ["a", "c", "f"]);
  assert.deepEqual(log.entries, []);
});

test("a container that is made while old positions are removed keeps its own", async (t) => {
  const { logs, thread, container, positions } = setUp(t);
  await logs.seen(container("a"));
  const held = deferred();
  thread.before.forget = () => held.promise;
  const kept = logs.keepOnly(new Set());
  await logs.seen(container("b"));
  await logs.seen(container("c", "exited"));
  held.resolve();
  await kept;
  assert.deepEqual(positions(), ["b", "c"]);
});

test("old positions that cannot be removed are warned of, and keep no others from being removed", async (t) => {
  const { logs, thread, log, directory, container, positions } = setUp(t);
  for (const start of ["b", "c"]) await logs.seen(container(start));
  // As when the server is stopped in the meantime.
  thread.before.forget = (id) => (id === fullId("b") ? refused("unavailable")() : Promise.resolve());
  mkdirSync(join(directory, fullId("a")));
  await logs.keepOnly(new Set());
  assert.deepEqual(positions(), [fullId("a")]);
  assert.deepEqual(
    log.entries.map(({ level, fields }) => [level, fields.containerId]),
    [
      ["warn", fullId("b")],
      ["warn", fullId("a")],
    ],
  );
});

test("a server that has never followed a container has no old positions, which is nothing to warn of", async (t) => {
  const { logs, log, directory } = setUp(t);
  rmSync(directory, { recursive: true });
  await logs.keepOnly(new Set());
  assert.deepEqual(log.entries, []);
});

test("last lines that could not be waited for are waited for again at the next look", async (t) => {
  const { logs, thread, log, container } = setUp(t);
  thread.before.finish = refused("internal");
  await logs.seen(container("a", "exited"));
  assert.deepEqual(
    log.entries.map(({ level }) => level),
    ["warn"],
  );
  let finished = 0;
  thread.before.finish = () => Promise.resolve(void finished++);
  for (let look = 0; look < 2; look++) await logs.seen(container("a", "exited"));
  assert.equal(finished, 1, "one that is complete is not asked for again");
  assert.equal(log.entries.length, 1);
});

test("a log that the thread has lost is followed again at the next look", async (t) => {
  const { logs, thread, container } = setUp(t);
  await logs.seen(container("a"));
  // A new thread could not open it.
  thread.followed.clear();
  await logs.seen(container("a", "exited"));
  await logs.seen(container("a", "exited"));
  assert.deepEqual([...thread.followed.keys()], [fullId("a")]);
});
