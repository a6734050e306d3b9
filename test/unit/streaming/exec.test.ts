import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { CriError } from "../../../src/errors.js";
import { containerId } from "../../support/builders.js";
import { turns } from "../../support/scripted-engine.js";
import { deferred } from "../../../src/waiting.js";
import { prepareExec, processOf } from "./exec-support.js";
import { everything, FakeClient, heard, terminal } from "./fake-client.js";

test("a command's output comes on the stream that it was said on, and its exit code at the end", async () => {
  const { run, client } = prepareExec(everything, { stdout: "out", stderr: "err", exitCode: 3 });
  const [, stdout, stderr] = await Promise.all([run(), heard(client.stdout), heard(client.stderr)]);
  assert.deepEqual([stdout, stderr], ["out", "err"]);
  assert.deepEqual(client.results, [{ kind: "exited", code: 3 }]);
});

for (const code of [0, 1, 126, 137, 255]) {
  test(`exit code ${code} is told as it is, on a terminal as well`, async () => {
    for (const wants of [everything, terminal]) {
      const { run, client } = prepareExec(wants, { exitCode: code });
      await run();
      assert.deepEqual(client.results, [{ kind: "exited", code }]);
    }
  });
}

test("a terminal's output comes as it is, on stdout", async () => {
  const { run, client } = prepareExec(terminal, { stdout: "\x01\0\0\0\0\0\0\x02$ \r\n" });
  const [, stdout] = await Promise.all([run(), heard(client.stdout)]);
  assert.equal(stdout, "\x01\0\0\0\0\0\0\x02$ \r\n");
});

for (const wants of [everything, terminal, { stdin: false, stdout: false, stderr: true, tty: false }]) {
  test(`the engine is asked for what the client asked for, ${JSON.stringify(wants)}`, async () => {
    const { run, created, started, cmd } = prepareExec(wants);
    await run();
    assert.deepEqual(created, [{ containerId, options: { cmd, ...wants } }]);
    assert.deepEqual(started, [{ tty: wants.tty }]);
  });
}

test("output that the client did not ask for is dropped, and holds nothing up", async () => {
  const wants = { stdin: false, stdout: true, stderr: false, tty: false };
  const stderr = Buffer.alloc(2 ** 20, "e");
  const { run, client } = prepareExec(wants, { stdout: "out", stderr, exitCode: 1 });
  await run();
  assert.equal(await heard(client.stdout), "out");
  assert.deepEqual(client.results, [{ kind: "exited", code: 1 }]);
});

test("the end of the input closes the command's stdin, and its output goes on", async () => {
  const { run, end, client, execs } = prepareExec(everything, { hangs: true });
  const running = run();
  client.stdin?.end("1\n2\n");
  await turns();
  const process = processOf(execs);
  await process.stdinEnded;
  assert.equal(process.stdin, "1\n2\n");
  process.say("3\n");
  end();
  await running;
  assert.equal(await heard(client.stdout), "3\n");
  assert.deepEqual(client.results, [{ kind: "exited", code: 0 }]);
});

test("on a terminal the end of the input ends nothing", async () => {
  const { run, end, client, execs } = prepareExec(terminal, { hangs: true });
  const running = run();
  client.stdin?.end("exit");
  await once(client.stdin!, "end");
  await turns();
  const process = processOf(execs);
  assert.equal(process.stdin, "exit");
  assert.equal(process.writableEnded, false);
  process.say("bye");
  end();
  await running;
  assert.equal(await heard(client.stdout), "bye");
});

test("a client that takes its input back has ended it", async () => {
  const { run, end, client, execs } = prepareExec(everything, { hangs: true });
  const running = run();
  client.stdin?.write("1\n");
  await turns();
  client.stdin?.destroy(new Error("the client reset the stream"));
  const process = processOf(execs);
  await process.stdinEnded;
  process.say("2\n");
  end();
  await running;
  assert.equal(await heard(client.stdout), "2\n");
  assert.deepEqual(client.results, [{ kind: "exited", code: 0 }]);
});

test("a client that took its input back before the start has ended it", async () => {
  const { run, end, client, execs } = prepareExec(everything, { hangs: true });
  client.stdin?.destroy(new Error("the client reset the stream"));
  const running = run();
  await turns();
  await processOf(execs).stdinEnded;
  end();
  await running;
});

test("a command's end is told while the client's input is open", async () => {
  const { run, client, execs } = prepareExec(everything, { stdout: "done" });
  client.stdin?.write("never read to its end");
  await run();
  assert.deepEqual(client.results, [{ kind: "exited", code: 0 }]);
  assert.ok(processOf(execs).destroyed);
});

test("a slow client gets every byte, and the command waits for it", async () => {
  const { run, end, execs } = prepareExec(everything, { hangs: true });
  const slow = new FakeClient(everything, 1024);
  const running = run({}, slow);
  await turns();
  const pieces = Array.from({ length: 64 }, (_, index) => String.fromCharCode(48 + index).repeat(65_536));
  const process = processOf(execs);
  process.say(pieces[0]!);
  await turns();
  for (const piece of pieces.slice(1)) process.say(piece);
  end();
  await turns();
  assert.ok(process.readableLength >= 63 * 65_536, "nothing is read for a client that does not read");
  assert.equal(await heard(slow.stdout), pieces.join(""));
  await running;
  assert.deepEqual(slow.results, [{ kind: "exited", code: 0 }]);
});

test("a client that resets its stdout hears the rest and the exit code", async () => {
  const { run, end, client, execs } = prepareExec(everything, { hangs: true, exitCode: 4 });
  const running = run();
  await turns();
  client.stdout?.destroy(new Error("the client reset the stream"));
  processOf(execs).say("nobody hears");
  processOf(execs).say("somebody hears", "stderr");
  end();
  await running;
  assert.equal(await heard(client.stderr), "somebody hears");
  assert.deepEqual(client.results, [{ kind: "exited", code: 4 }]);
});

test("a client that resets its stdout while the command waits for it frees the command", async () => {
  const { run, end, execs } = prepareExec(everything, { hangs: true });
  const slow = new FakeClient(everything, 16);
  const running = run({}, slow);
  await turns();
  processOf(execs).say("more than it takes at once");
  await turns();
  assert.ok(slow.stdout?.writableNeedDrain);
  slow.stdout?.destroy(new Error("the client reset the stream"));
  processOf(execs).say("heard", "stderr");
  end();
  await running;
  assert.equal(await heard(slow.stderr), "heard");
});

for (const { title, call } of [
  { title: "made", call: "createExec" },
  { title: "started", call: "startExec" },
] as const) {
  test(`a command that cannot be ${title} is a failure with the engine's own words`, async () => {
    const refusal = new CriError("failedPrecondition", "container c0 is paused");
    const { run, client } = prepareExec(everything, {}, () => ({ [call]: () => Promise.reject(refusal) }));
    await run();
    assert.deepEqual(client.results, [{ kind: "failed", message: "container c0 is paused" }]);
  });
}

test("an engine that goes away is a failure, not an end", async () => {
  const { run, client, life } = prepareExec(everything, { stdout: "half", hangs: true });
  const running = run();
  assert.equal(String((await once(client.stdout!, "data"))[0]), "half");
  life.abort(new Error("cannot reach the Docker Engine"));
  await running;
  assert.deepEqual(client.results, [{ kind: "failed", message: "cannot reach the Docker Engine" }]);
});

test("an output that ends although the engine is gone is a failure, too", async () => {
  const inspectExec = () => Promise.reject(new CriError("unavailable", "cannot reach the Docker Engine"));
  const { run, client } = prepareExec(everything, { stdout: "half" }, () => ({ inspectExec }));
  await run();
  assert.deepEqual(client.results, [{ kind: "failed", message: "cannot reach the Docker Engine" }]);
});

test("an exit code that the engine tells late is waited for", async () => {
  let asked = 0;
  const { run, client } = prepareExec(everything, { exitCode: 5 }, (engine) => ({
    inspectExec: async (id) =>
      ++asked < 3 ? { Running: true, ExitCode: null, Pid: 1 } : await engine.inspectExec(id),
  }));
  await run();
  assert.deepEqual(client.results, [{ kind: "exited", code: 5 }]);
});

test("a daemon that breaks the stream off is quoted", async () => {
  const { run, client, execs } = prepareExec(everything, { hangs: true });
  const running = run();
  await turns();
  const words = Buffer.from("error from daemon in stream: no space left\n");
  const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, words.length]);
  processOf(execs).push(Buffer.concat([header, words]));
  await running;
  assert.deepEqual(client.results, [
    {
      kind: "failed",
      message: "Docker broke the stream off: error from daemon in stream: no space left",
    },
  ]);
});

test("a client that goes before the command was made starts nothing", async () => {
  const hold = deferred();
  const { run, client, started } = prepareExec(everything, {}, (engine) => ({
    createExec: async (...args) => {
      await hold.promise;
      return await engine.createExec(...args);
    },
  }));
  const running = run();
  client.leave();
  hold.resolve();
  await running;
  assert.deepEqual(started, []);
  assert.deepEqual(client.results, [{ kind: "failed", message: "the client has gone" }]);
});
