import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { AttachStreams, ContainerInspect, TerminalSize } from "../../../src/docker/engine.js";
import { CriError } from "../../../src/errors.js";
import { runAttach, type AttachDependencies } from "../../../src/streaming/attach.js";
import { deferred } from "../../../src/waiting.js";
import { containerId, containerInspect, type DeepPartial } from "../../support/builders.js";
import { FakeProcess } from "../../support/fake-process.js";
import { ScriptedEngine, turns } from "../../support/scripted-engine.js";
import { everything, FakeClient, heard, terminal } from "./fake-client.js";

type Engine = AttachDependencies["engine"];

/** A container and a client at its process. */
function prepareAttach(
  config: DeepPartial<ContainerInspect["Config"]> = {},
  wants = everything,
  overrides: Partial<Engine> = {},
) {
  const container = containerInspect({ Config: config });
  const docker = new ScriptedEngine(container);
  const process = new FakeProcess(container.Config.Tty);
  const attached: { id: string; streams: AttachStreams }[] = [];
  const sizes: TerminalSize[] = [];
  const engine: Engine = {
    attachContainer: (id, streams) => {
      attached.push({ id, streams });
      return Promise.resolve(process);
    },
    resizeContainer: (_id, size) => Promise.resolve(void sizes.push(size)),
    inspectContainer: (id) => docker.inspectContainer(id),
    ...overrides,
  };
  const client = new FakeClient(wants);
  const inventory = { get: (_kind: unknown, id: string) => docker.inspectContainer(id) };
  const run = () => runAttach({ engine, inventory }, { containerId, ...wants }, client);
  return { run, client, process, docker, attached, sizes };
}

const success = { kind: "exited", code: 0 } as const;

test("a container's output comes on the stream that it was said on, and its end is a success", async () => {
  const { run, client, process, attached } = prepareAttach();
  const running = run();
  process.say("out");
  process.say("err", "stderr");
  process.closeOutput();
  await running;
  assert.deepEqual([await heard(client.stdout), await heard(client.stderr)], ["out", "err"]);
  assert.deepEqual(client.results, [success]);
  const [call] = attached;
  assert.equal(call?.id, containerId);
  assert.deepEqual({ ...call?.streams }, everything);
});

test("attach tells no exit code, whatever the container's is", async () => {
  const { run, client, process, docker } = prepareAttach();
  const running = run();
  await turns();
  docker.change(containerId, { Running: false, Status: "exited", ExitCode: 3 });
  process.closeOutput();
  await running;
  assert.deepEqual(client.results, [success]);
});

// The container decides what the bytes are, not the client.
for (const wants of [everything, terminal]) {
  const asked = wants.tty ? "a terminal" : "no terminal";
  test(`a client that asks for ${asked} reads a terminal's bytes as they are`, async () => {
    const { run, client, process } = prepareAttach({ Tty: true }, wants);
    const running = run();
    process.say("\x01\0\0\0\0\0\0\x02$ \r\n");
    process.closeOutput();
    await running;
    assert.equal(await heard(client.stdout), "\x01\0\0\0\0\0\0\x02$ \r\n");
  });

  test(`a client that asks for ${asked} reads frames where the container has none`, async () => {
    const { run, client, process } = prepareAttach({ Tty: false }, wants);
    const running = run();
    process.say("out");
    process.say("err", "stderr");
    process.closeOutput();
    await running;
    assert.equal(await heard(client.stdout), "out");
    assert.equal(await heard(client.stderr), wants.stderr ? "err" : "");
  });
}

for (const { title, config, ends } of [
  { title: "with StdinOnce the container's stdin", config: { StdinOnce: true, Tty: false }, ends: true },
  { title: "without StdinOnce nothing", config: { StdinOnce: false, Tty: false }, ends: false },
  { title: "on a terminal nothing", config: { StdinOnce: true, Tty: true }, ends: false },
]) {
  for (const [how, leave] of [
    ["the end of the input", (client: FakeClient) => client.stdin?.end("input")],
    [
      "an input taken back",
      async (client: FakeClient) => {
        client.stdin?.write("input");
        await turns();
        client.stdin?.destroy(new Error("the client reset the stream"));
      },
    ],
  ] as const) {
    test(`${how} ends ${title}, and the output goes on`, async () => {
      const { run, client, process } = prepareAttach({ OpenStdin: true, ...config });
      const running = run();
      await leave(client);
      if (ends) await process.stdinEnded;
      else await turns();
      assert.equal(process.stdin, "input");
      assert.equal(process.writableEnded, ends);
      assert.equal(process.destroyed, false);
      process.say("output");
      process.closeOutput();
      await running;
      assert.equal(await heard(client.stdout), "output");
    });
  }
}

test("a container's terminal gets the size of the time before, and then those that come", async () => {
  const hold = deferred();
  const { run, client, process, sizes } = prepareAttach({ Tty: true }, terminal, {
    attachContainer: async () => {
      await hold.promise;
      return process;
    },
  });
  client.resize(1, 1);
  const running = run();
  client.resize(80, 24);
  await turns();
  assert.equal(sizes.length, 0);
  hold.resolve();
  await turns();
  // kubectl's two: a wrong one, so that the right one is a change and the screen is painted anew.
  client.resize(81, 25);
  client.resize(80, 24);
  await turns();
  assert.deepEqual(
    sizes.map(({ width, height }) => `${width}x${height}`),
    ["80x24", "81x25", "80x24"],
  );
  process.closeOutput();
  await running;
});

test("a container without a terminal is not resized, whatever the client says", async () => {
  const { run, client, process, sizes } = prepareAttach({ Tty: false }, terminal);
  client.resize(80, 24);
  const running = run();
  await turns();
  process.closeOutput();
  await running;
  assert.deepEqual(sizes, []);
});

test("a size that cannot be set spoils nothing", async () => {
  const { run, client, process } = prepareAttach({ Tty: true }, terminal, {
    resizeContainer: () => Promise.reject(new Error("cannot resize")),
  });
  client.resize(80, 24);
  const running = run();
  await turns();
  process.closeOutput();
  await running;
  assert.deepEqual(client.results, [success]);
});

test("a container that stopped between the RPC and the connection is a failure", async () => {
  const { run, client, docker, attached } = prepareAttach();
  docker.change(containerId, { Running: false, Status: "exited" });
  await run();
  assert.deepEqual(client.results, [{ kind: "failed", message: `container ${containerId} is not running` }]);
  assert.deepEqual(attached, []);
});

test("a container that cannot be attached to is a failure with the engine's own words", async () => {
  const { run, client } = prepareAttach({}, everything, {
    attachContainer: () => Promise.reject(new CriError("failedPrecondition", "container c0 is paused")),
  });
  await run();
  assert.deepEqual(client.results, [{ kind: "failed", message: "container c0 is paused" }]);
});

test("an engine that breaks the connection off is a failure", async () => {
  const { run, client, process } = prepareAttach();
  const running = run();
  process.say("half");
  assert.equal(String((await once(client.stdout!, "data"))[0]), "half");
  process.destroy(new Error("read ECONNABORTED"));
  await running;
  assert.deepEqual(client.results, [{ kind: "failed", message: "read ECONNABORTED" }]);
});

test("an engine that is killed is a failure, although its connections end in an orderly way", async () => {
  const { run, client, process, docker } = prepareAttach();
  const running = run();
  await turns();
  docker.down = true;
  process.closeOutput();
  await running;
  assert.deepEqual(client.results, [{ kind: "failed", message: "cannot reach the Docker Engine" }]);
});

test("a container that is removed with its end has ended well", async () => {
  const { run, client, process, docker } = prepareAttach();
  const running = run();
  await turns();
  docker.containers.delete(containerId);
  process.say("bye");
  process.closeOutput();
  await running;
  assert.equal(await heard(client.stdout), "bye");
  assert.deepEqual(client.results, [success]);
});

for (const config of [{ Tty: true }, { Tty: false }]) {
  test(`a client that goes leaves the container alone, ${JSON.stringify(config)}`, async () => {
    const { run, client, process, docker } = prepareAttach(config, config.Tty ? terminal : everything);
    const running = run();
    await turns();
    const looks = docker.looks(containerId);
    client.leave();
    await running;
    assert.ok(process.destroyed);
    assert.equal(docker.looks(containerId), looks);
    assert.deepEqual(client.results, [{ kind: "failed", message: "the client has gone" }]);
  });
}

test("a client that goes while it is being attached leaves no connection behind", async () => {
  const hold = deferred();
  const { run, client, process } = prepareAttach({}, everything, {
    attachContainer: async () => {
      await hold.promise;
      return process;
    },
  });
  const running = run();
  await turns();
  client.leave();
  hold.resolve();
  await running;
  assert.ok(process.destroyed);
  assert.deepEqual(client.results, [{ kind: "failed", message: "the client has gone" }]);
});
