/** The real thread, with the kernel's file system events. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, statSync, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { isKind } from "../../../src/errors.js";
import { LogThread, startWorker, type LogThreadOptions } from "../../../src/logs/log-thread.js";
import type { LogReport } from "../../../src/logs/messages.js";
import { DockerFiles } from "./docker-files.js";
import { entry, temporaryFolder } from "./support.js";

function setUp(t: TestContext, options: Partial<LogThreadOptions> = {}) {
  const folder = temporaryFolder(t);
  const reports: LogReport[] = [];
  const waiting = new Set<() => void>();
  const thread = new LogThread({
    onReport: (report) => {
      reports.push(report);
      for (const wake of waiting) wake();
    },
    ...options,
  });
  t.after(() => thread.close());
  const container = (id: string) => {
    const sourceDirectory = join(folder, "docker", id);
    return {
      id,
      docker: new DockerFiles(join(sourceDirectory, `${id}-json.log`), 3),
      sourceDirectory,
      path: join(folder, "pods", id, "0.log"),
      positionFile: join(folder, "positions", `${id}.json`),
    };
  };
  const reported = async (what: string) => {
    while (!reports.some((report) => report.what === what)) {
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  };
  return { thread, container, reports, reported };
}

const read = (path: string): string[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => line.slice(line.indexOf("stdout ")));

/** Resolves when the log has that content; the kernel tells when to look. */
async function untilLines(path: string, expected: string[]): Promise<void> {
  const changed = new AbortController();
  await new Promise<void>((resolve) => {
    const look = () => read(path).length >= expected.length && resolve();
    watch(dirname(path), { signal: changed.signal }, look);
    look();
  });
  changed.abort();
  assert.deepEqual(read(path), expected);
}

test("a container's log is written as it speaks, reopened, finished and forgotten", async (t) => {
  const { thread, container, reports } = setUp(t);
  const a = container("a");
  await thread.follow(a);
  assert.equal(statSync(a.path).size, 0);
  a.docker.append(entry("one\n"));
  await untilLines(a.path, ["stdout F one"]);
  a.docker.rotate();
  a.docker.append(entry("two\n"));
  await untilLines(a.path, ["stdout F one", "stdout F two"]);

  renameSync(a.path, `${a.path}.1`);
  await thread.reopen("a");
  a.docker.append(entry("three\n") + entry("four"));
  await thread.finish("a");
  assert.deepEqual(read(a.path), ["stdout F three", "stdout P four"]);
  assert.deepEqual(read(`${a.path}.1`), ["stdout F one", "stdout F two"]);
  assert.deepEqual(await thread.progress(), {
    lines: 4,
    bytes: statSync(a.path).size + statSync(`${a.path}.1`).size,
    gaps: 0,
    damaged: 0,
    followed: 0,
    stalled: 0,
    behindBytes: 0,
  });

  await thread.forget("a");
  assert.deepEqual([existsSync(a.path), existsSync(a.positionFile)], [false, false]);
  assert.equal(existsSync(`${a.path}.1`), true);
  assert.deepEqual(reports, []);
});

test("many containers are followed at once", async (t) => {
  const { thread, container } = setUp(t);
  const containers = Array.from({ length: 30 }, (_, index) => container(`c${index}`));
  await Promise.all(containers.map((one) => thread.follow(one)));
  for (let line = 0; line < 20; line += 1) {
    for (const { docker, id } of containers) docker.append(entry(`${id} ${line}\n`));
  }
  const expected = (id: string) => Array.from({ length: 20 }, (_, line) => `stdout F ${id} ${line}`);
  await Promise.all(containers.map(({ path, id }) => untilLines(path, expected(id))));
});

test("errors come back with their kinds", async (t) => {
  const { thread, container } = setUp(t);
  const a = container("a");
  await assert.rejects(thread.reopen("a"), (error) => isKind(error, "notFound"));
  writeFileSync(join(dirname(dirname(dirname(a.path))), "pods"), "in the way");
  await assert.rejects(thread.follow(a), (error) => isKind(error, "internal"));
  await thread.forget("a");
});

test("reports come to the one who asked for them", async (t) => {
  const { thread, container, reports, reported } = setUp(t);
  const a = container("a");
  await thread.follow(a);
  a.docker.append("damaged\n");
  await reported("damaged");
  assert.deepEqual(reports, [
    { id: "a", what: "damaged", detail: "entries that Docker did not write to their ends", count: 1 },
  ]);
});

test("the next server goes on where this one was", async (t) => {
  const first = setUp(t);
  const a = first.container("a");
  await first.thread.follow(a);
  a.docker.append(entry("one\n"));
  await untilLines(a.path, ["stdout F one"]);
  await first.thread.close();
  a.docker.append(entry("two\n"));
  const second = setUp(t);
  await second.thread.follow(a);
  await second.thread.finish("a");
  assert.deepEqual(read(a.path), ["stdout F one", "stdout F two"]);
  assert.deepEqual([...first.reports, ...second.reports], []);
});

test("after its end nothing is accepted, and closing again is fine", async (t) => {
  const { thread, container } = setUp(t);
  await thread.close();
  await thread.close();
  await assert.rejects(thread.follow(container("a")), (error) => isKind(error, "unavailable"));
});

/** Real workers, which can be ended as a crash does it. */
function crashable() {
  const workers: Worker[] = [];
  const startAnother = () => {
    const worker = startWorker();
    workers.push(worker);
    return worker;
  };
  return { workers, startWorker: startAnother };
}

test("a thread that dies is replaced, with all that it followed", async (t) => {
  const { workers, ...options } = crashable();
  const { thread, container, reports, reported } = setUp(t, options);
  const a = container("a");
  await thread.follow(a);
  a.docker.append(entry("one\n"));
  await untilLines(a.path, ["stdout F one"]);
  await workers[0]!.terminate();
  a.docker.append(entry("two\n"));
  await reported("restarted");
  await untilLines(a.path, ["stdout F one", "stdout F two"]);
  a.docker.append(entry("three\n"));
  await thread.finish("a");
  assert.deepEqual(read(a.path), ["stdout F one", "stdout F two", "stdout F three"]);
  assert.deepEqual(
    reports.map(({ what }) => what),
    ["restarted"],
  );
});

test("what a thread was asked before it died, the next one answers", async (t) => {
  const { workers, ...options } = crashable();
  const { thread, container } = setUp(t, options);
  const [a, b] = [container("a"), container("b")];
  await thread.follow(a);
  a.docker.append(entry("one\n"));
  const dies = workers[0]!.terminate();
  const answers = [thread.finish("a"), thread.follow(b), thread.forget("b")];
  await dies;
  await Promise.all(answers);
  assert.deepEqual(read(a.path), ["stdout F one"]);
  assert.equal(existsSync(b.path), false);
});

test("a request that kills every thread is given up", async (t) => {
  const dying = () => new Worker("process.exit(3)", { eval: true });
  const { thread, container, reports } = setUp(t, { startWorker: dying });
  await assert.rejects(thread.follow(container("a")), (error) => isKind(error, "internal"));
  assert.equal(reports[0]?.detail, "the log thread ended with code 3");
});
