/** Whole sessions of Exec and Attach: over the URL to a process of the fake engine, and back. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test, type TestContext } from "node:test";
import { WebSocket } from "ws";
import { exitCodeIn, openCommand, success, transports, type Wants } from "../support/command-session.js";
import { turns } from "../support/scripted-engine.js";
import { runContainer, runPod, startServer } from "../support/server.js";
import { dialSpdy } from "../support/spdy-client.js";

// One server for all: what one session does must not show in another.
const server = await startServer({ after });
const { engine } = server;
const rpc = server.rpc("v1");
const pod = await runPod(rpc);
const inputs = { stdin: true, stdout: true, stderr: true, tty: false };
const terminal = { stdin: true, stdout: true, stderr: false, tty: true };
let containers = 0;
const container = (overrides: object = {}): Promise<string> =>
  runContainer(rpc, pod, { metadata: { name: `app-${++containers}`, attempt: 0 }, ...overrides });
const shell = await container();

const execUrl = async (command: string, wants: Wants, id = shell): Promise<string> =>
  (await rpc("Exec", { container_id: id, cmd: command.split(" "), ...wants })).url;
const attachUrl = async (id: string, wants: Wants): Promise<string> =>
  (await rpc("Attach", { container_id: id, ...wants })).url;

/** Runs what opens a session, and returns it with the process that it is at. */
async function atProcess<T>(method: "startExec" | "attachContainer", open: () => Promise<T>) {
  const hold = engine.hold(method);
  const session = await open();
  await hold.reached;
  hold.release();
  await turns();
  const process = (method === "startExec" ? engine.execs.processes : engine.attached).at(-1);
  if (!process) throw new Error("no process was started");
  return { session, process };
}

for (const transport of transports) {
  test(`over ${transport} a command's output, stderr and exit code come, and its stdin is fed and ended`, async () => {
    engine.execs.scripts.set("sort -u", { stderr: "sorting\n", exitCode: 3, hangs: true });
    const url = await execUrl("sort -u", inputs);
    const { session, process } = await atProcess("startExec", () => openCommand(url, transport, inputs));
    const output = Promise.all([session.text("stdout"), session.text("stderr")]);
    await session.write("b\n");
    await session.write("a\n");
    await session.endStdin();
    await process.stdinEnded;
    assert.equal(process.stdin, "b\na\n");
    process.say("a\nb\n");
    engine.execs.finish("sort -u");
    const ended = await session.status;
    assert.deepEqual(await output, ["a\nb\n", "sorting\n"]);
    assert.equal(exitCodeIn(ended), 3);
    assert.equal(ended.message, "command terminated with non-zero exit code: exit status 3");
  });

  test(`over ${transport} a command without stdin ends by itself, with success`, async () => {
    engine.execs.scripts.set("echo -n hello", { stdout: "hello" });
    const wants = { stdout: true, stderr: true };
    const session = await openCommand(await execUrl("echo -n hello", wants), transport, wants);
    const output = Promise.all([session.text("stdout"), session.text("stderr")]);
    assert.deepEqual({ ...(await session.status), metadata: undefined }, { ...success, metadata: undefined });
    assert.deepEqual(await output, ["hello", ""]);
  });

  test(`over ${transport} a terminal has its sizes, one output, and an input whose end ends nothing`, async () => {
    engine.execs.scripts.set("sh", { stdout: "$ ", hangs: true });
    engine.execs.sizes.length = 0;
    const url = await execUrl("sh", terminal);
    const { session, process } = await atProcess("startExec", async () => {
      const opened = await openCommand(url, transport, terminal);
      await opened.resize(80, 24);
      return opened;
    });
    const output = session.text("stdout");
    const typed = once(process, "stdin");
    await session.write("exit\r");
    await typed;
    await session.resize(81, 25);
    await session.endStdin();
    while (engine.execs.sizes.length < 2) await turns();
    assert.deepEqual(engine.execs.sizes, [
      { width: 80, height: 24 },
      { width: 81, height: 25 },
    ]);
    assert.equal(process.stdin, "exit\r");
    assert.equal(process.writableEnded, false);
    process.say("bye\r\n");
    engine.execs.finish("sh");
    assert.equal(exitCodeIn(await session.status), 0);
    assert.equal(await output, "$ bye\r\n");
  });

  test(`over ${transport} a command that is not there says so, and exits with 126`, async () => {
    const wants = { stdout: true, stderr: true };
    const session = await openCommand(await execUrl("nothing", wants), transport, wants);
    const output = session.text("stdout");
    assert.equal(exitCodeIn(await session.status), 126);
    assert.match(await output, /executable file not found/);
  });

  test(`over ${transport} an exec in a container that has stopped meanwhile is a failure with the reason`, async () => {
    const id = await container();
    const wants = { stdout: true };
    const url = await execUrl("sh", wants, id);
    engine.containers.exit(id, 0);
    const session = await openCommand(url, transport, wants);
    const { status, reason, message } = await session.status;
    assert.deepEqual([status, reason], ["Failure", "InternalError"]);
    assert.match(message ?? "", /^Internal error occurred: error executing command in container: /);
    assert.match(message ?? "", new RegExp(`Container ${id} is not running`));
  });

  test(`over ${transport} one is attached to a container with StdinOnce, feeds it, and ends with it`, async () => {
    const id = await container({ stdin: true, stdin_once: true });
    const url = await attachUrl(id, inputs);
    const { session, process } = await atProcess("attachContainer", () =>
      openCommand(url, transport, inputs),
    );
    const output = Promise.all([session.text("stdout"), session.text("stderr")]);
    await session.write("echo hello");
    await session.endStdin();
    await process.stdinEnded;
    assert.equal(process.stdin, "echo hello");
    process.say("hello");
    process.say("warning", "stderr");
    process.closeOutput();
    assert.equal((await session.status).status, "Success");
    assert.deepEqual(await output, ["hello", "warning"]);
  });

  test(`over ${transport} one leaves a container's terminal as it was`, async () => {
    const id = await container({ stdin: true, tty: true });
    const url = await attachUrl(id, terminal);
    const { session, process } = await atProcess("attachContainer", () =>
      openCommand(url, transport, terminal),
    );
    const resized = engine.hold("resizeContainer");
    await session.resize(80, 24);
    await resized.reached;
    resized.release();
    const size = { width: 80, height: 24 };
    const resizes = engine.calls.filter(({ method }) => method === "resizeContainer");
    assert.deepEqual(resizes.at(-1)?.args, [id, size]);
    session.status.catch(() => undefined);
    const closed = once(process, "close");
    session.vanish();
    await closed;
    const { status } = await rpc("ContainerStatus", { container_id: id });
    assert.equal(status?.state, "CONTAINER_RUNNING");
  });

  test(`over ${transport} an engine that goes away is a failure to whoever is attached`, async (t) => {
    const own = await startServer(t);
    const call = own.rpc("v1");
    const id = await runContainer(call, await runPod(call));
    const wants = { stdout: true };
    const { url } = await call("Attach", { container_id: id, ...wants });
    const hold = own.engine.hold("attachContainer");
    const session = await openCommand(url, transport, wants);
    await hold.reached;
    hold.release();
    await turns();
    own.engine.down();
    // Killed, it ends its connections in an orderly way.
    own.engine.attached.at(-1)?.closeOutput();
    const { status, message } = await session.status;
    assert.equal(status, "Failure");
    assert.match(message ?? "", /error attaching to container: /);
  });

  test(`over ${transport} sessions at once do not see each other`, async () => {
    const sessions = Array.from({ length: 20 }, async (_, index) => {
      engine.execs.scripts.set(`echo ${index}`, { stdout: `${index} `.repeat(5_000), exitCode: index });
      const wants = { stdout: true };
      const session = await openCommand(await execUrl(`echo ${index}`, wants), transport, wants);
      const [text, ended] = await Promise.all([session.text("stdout"), session.status]);
      assert.equal(text, `${index} `.repeat(5_000));
      assert.equal(exitCodeIn(ended), index);
    });
    await Promise.all(sessions);
  });
}

const v4 = ["v4.channel.k8s.io"];

test("a URL is good for one connection of its own kind", async () => {
  engine.execs.scripts.set("date", { stdout: "today" });
  const wants = { stdout: true };
  const url = await execUrl("date", wants);
  const session = await openCommand(url, "spdy", wants);
  await session.status;
  assert.equal((await dialSpdy(url, v4)).status, 404);
  const other = await execUrl("date", wants);
  assert.equal((await dialSpdy(other.replace("/exec/", "/attach/"), v4)).status, 404);
  assert.equal((await dialSpdy(other, v4)).status, 404);
  const third = await execUrl("date", wants);
  assert.equal((await dialSpdy(third, ["portforward.k8s.io"])).status, 403);
  assert.equal((await dialSpdy(third, v4)).status, 404);
});

test("a URL is no good after a minute", async (t: TestContext) => {
  const url = await execUrl("date", { stdout: true });
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 61_000);
  const answer = await dialSpdy(url, v4);
  assert.deepEqual([answer.status, "body" in answer && answer.body], [404, "404 page not found\n"]);
});

test("a client that goes half-way through its headers, or before its streams, does not touch other sessions", async () => {
  engine.execs.scripts.set("cat", { hangs: true });
  const wants = { stdin: true, stdout: true };
  const url = await execUrl("cat", wants);
  const { session, process } = await atProcess("startExec", () => openCommand(url, "spdy", wants));
  const output = session.text("stdout");

  const half = new URL(await execUrl("cat", wants));
  const socket = connect(Number(half.port), half.hostname);
  socket.end(`POST ${half.pathname} HTTP/1.1\r\nHost: a\r\nUpgrade: SPDY/3.1\r\nX-Stream-Prot`);
  await once(socket.resume(), "close");
  const { client } = await dialSpdy(await execUrl("cat", wants), v4);
  await client?.open({ streamtype: "error" });
  client?.connection.destroy();
  const silent = new WebSocket(half.href.replace("http", "ws"), ["v5.channel.k8s.io"]);
  await once(silent, "open");
  silent.terminate();

  await session.write("still here");
  await once(process, "stdin");
  process.say("still here");
  process.closeOutput();
  engine.execs.finish("cat");
  await session.status;
  assert.equal(await output, "still here");
});

test("the token is in no line of the log", async () => {
  const url = await execUrl("date", { stdout: true });
  const session = await openCommand(url, "websocket", { stdout: true });
  const logged = server.book.next("exec");
  await session.status;
  await logged;
  assert.ok(!JSON.stringify(server.book.lines).includes(url.split("/").at(-1)!));
});
