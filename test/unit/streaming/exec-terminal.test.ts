/** Terminals: their sizes, and what a cut line does to those who sit at them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deferred } from "../../../src/waiting.js";
import { containerId } from "../../support/builders.js";
import { turns } from "../../support/scripted-engine.js";
import { prepareExec, processOf } from "./exec-support.js";
import { everything, FakeClient, terminal } from "./fake-client.js";

test("the latest size of the time before the start is set once the command runs, and no other", async () => {
  const hold = deferred();
  const { run, end, client, execs } = prepareExec(terminal, { hangs: true }, (engine) => ({
    startExec: async (...args) => {
      await hold.promise;
      return await engine.startExec(...args);
    },
  }));
  client.resize(1, 1);
  const running = run();
  await turns();
  client.resize(2, 2);
  client.resize(80, 24);
  await turns();
  assert.deepEqual(execs.sizes, []);
  hold.resolve();
  await turns();
  assert.deepEqual(execs.sizes, [{ width: 80, height: 24 }]);
  end();
  await running;
});

test("sizes that come later are set in their order", async () => {
  const { run, end, client, execs } = prepareExec(terminal, { hangs: true });
  const running = run();
  await turns();
  client.resize(79, 24);
  client.resize(80, 24);
  await turns();
  assert.deepEqual(execs.sizes, [
    { width: 79, height: 24 },
    { width: 80, height: 24 },
  ]);
  end();
  await running;
});

test("a size is tried again when the process is not there yet", async () => {
  let tries = 0;
  const done = deferred();
  const { run, end, client } = prepareExec(terminal, { hangs: true }, () => ({
    resizeExec: async () => {
      await Promise.resolve();
      if (++tries < 3) throw new Error("timeout waiting for exec session ready");
      done.resolve();
    },
  }));
  client.resize(80, 24);
  const running = run();
  await done.promise;
  end();
  await running;
  assert.deepEqual(client.results, [{ kind: "exited", code: 0 }]);
});

test("a size that can never be set spoils nothing", async () => {
  const { run, client } = prepareExec(terminal, { stdout: "fine", exitCode: 2 }, () => ({
    resizeExec: () => Promise.reject(new Error("cannot resize a stopped container")),
  }));
  client.resize(80, 24);
  await run();
  assert.deepEqual(client.results, [{ kind: "exited", code: 2 }]);
});

test("without a terminal no size is set", async () => {
  const { run, end, client, execs } = prepareExec(everything, { hangs: true });
  client.resize(80, 24);
  const running = run();
  await turns();
  client.resize(81, 24);
  await turns();
  end();
  await running;
  assert.deepEqual(execs.sizes, []);
});

test("a client that goes hangs its terminal up", async () => {
  const { run, client, execs, signals } = prepareExec(terminal, { hangs: true });
  const running = run();
  await turns();
  const process = processOf(execs);
  client.leave();
  await running;
  assert.deepEqual(signals, [{ pid: 2 ** 22 + 1, containerId, name: "SIGHUP" }]);
  assert.ok(process.destroyed);
  assert.deepEqual(client.results, [{ kind: "failed", message: "the client has gone" }]);
});

test("a client that goes while the command is being started hangs it up all the same", async () => {
  const hold = deferred();
  const { run, client, signals, execs } = prepareExec(terminal, { hangs: true }, (engine) => ({
    startExec: async (...args) => {
      await hold.promise;
      return await engine.startExec(...args);
    },
  }));
  const running = run();
  await turns();
  client.leave();
  hold.resolve();
  await running;
  assert.deepEqual(
    signals.map(({ name }) => name),
    ["SIGHUP"],
  );
  assert.ok(processOf(execs).destroyed);
});

test("without a terminal a client that goes closes the command's streams, and no signal is sent", async () => {
  const { run, client, execs, signals } = prepareExec(everything, { hangs: true });
  const running = run();
  await turns();
  const process = processOf(execs);
  client.leave();
  await running;
  assert.deepEqual(signals, []);
  assert.ok(process.destroyed);
  assert.deepEqual(client.results, [{ kind: "failed", message: "the client has gone" }]);
});

for (const wants of [everything, terminal]) {
  test(`a client that goes while output waits for it is noticed, ${wants.tty ? "on" : "without"} a terminal`, async () => {
    const { run, execs } = prepareExec(wants, { hangs: true });
    const slow = new FakeClient(wants, 16);
    const running = run({}, slow);
    await turns();
    processOf(execs).say("more than it takes at once");
    await turns();
    assert.ok(slow.stdout?.writableNeedDrain);
    slow.leave();
    await running;
    assert.ok(processOf(execs).destroyed);
  });
}

test("a command that has ended when its client goes is sent no signal", async () => {
  const { run, client, signals } = prepareExec(terminal, {});
  await run();
  client.leave();
  await turns();
  assert.deepEqual(signals, []);
  assert.deepEqual(client.results, [{ kind: "exited", code: 0 }]);
});

test("a terminal that cannot be hung up is in the log", async () => {
  const { run, client, log } = prepareExec(terminal, { hangs: true });
  const running = run({ signalSession: () => Promise.reject(new Error("cannot send SIGHUP")) });
  await turns();
  client.leave();
  await running;
  const [line] = log.entries.filter(({ level }) => level === "warn");
  assert.match(line?.event ?? "", /could not be hung up/);
  assert.equal(line?.fields["containerId"], containerId);
  assert.equal(client.results.length, 1);
});
