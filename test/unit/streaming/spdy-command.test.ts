import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { CommandResult } from "../../../src/streaming/command.js";
import { heard } from "./fake-client.js";
import {
  dialCommand,
  everything,
  openCommand,
  openStreams,
  rest,
  terminal,
  v1,
  v2,
  v3,
  v4,
} from "./spdy-command-support.js";
import { fired, isPending } from "./websocket/support.js";

const success: CommandResult = { kind: "exited", code: 0 };
const exit3: CommandResult = { kind: "exited", code: 3 };
const failed: CommandResult = { kind: "failed", message: "no such file" };
const exit3Text = "command terminated with non-zero exit code: exit status 3";
const failedText = "Internal error occurred: error executing command in container: no such file";

for (const { protocol, result, title, want } of [
  { protocol: v4, result: success, title: "success", want: '{"metadata":{},"status":"Success"}' },
  {
    protocol: v4,
    result: exit3,
    title: "exit code 3",
    want:
      `{"metadata":{},"status":"Failure","message":"${exit3Text}","reason":"NonZeroExitCode",` +
      '"details":{"causes":[{"reason":"ExitCode","message":"3"}]}}',
  },
  {
    protocol: v4,
    result: failed,
    title: "a failure",
    want:
      `{"metadata":{},"status":"Failure","message":"${failedText}","reason":"InternalError",` +
      '"details":{"causes":[{"message":"error executing command in container: no such file"}]},"code":500}',
  },
  ...[v3, v2].flatMap((protocol) => [
    { protocol, result: success, title: "success", want: "" },
    { protocol, result: exit3, title: "exit code 3", want: exit3Text },
    { protocol, result: failed, title: "a failure", want: failedText },
  ]),
]) {
  test(`on ${protocol} output comes whole, and ${title} is told in its own form`, async (t) => {
    const { client, command, streams } = await openCommand(t, protocol);
    command.stdout?.write("out");
    command.stderr?.write("err");
    const finished = command.finish(result);
    assert.deepEqual(await Promise.all([streams["stdout"], streams["stderr"], streams["error"]].map(rest)), [
      "out|fin",
      "err|fin",
      `${want}|fin`,
    ]);
    await client.leave();
    await finished;
    assert.equal(command.gone.aborted, false);
    assert.deepEqual(client.faults, []);
  });
}

test("on the first version nothing is said but output, and nobody waits for more", async (t) => {
  const { client, command, streams } = await openCommand(t, v1);
  // Right at the start, as upstream does.
  assert.equal(await streams["error"]?.ended, "reset");
  assert.equal(await streams["stdin"]?.ended, "fin");
  await streams["stdin"]?.write("input");
  await streams["stdin"]?.fin();
  assert.equal(await heard(command.stdin), "input");
  command.stdout?.write("out");
  const finished = command.finish(exit3);
  assert.equal(await rest(streams["stdout"]), "out|fin");
  assert.equal(await rest(streams["stderr"]), "|fin");
  await client.leave();
  await finished;
  assert.deepEqual(client.faults, []);
});

for (const [offered, want] of [
  [["v5.channel.k8s.io", v4, v3, v2, v1], v4],
  [["v5.channel.k8s.io", v2], v2],
  [[v1], v1],
] as const) {
  test(`a client that offers ${offered.join(", ")} is spoken to in ${want}`, async (t) => {
    assert.equal((await dialCommand(t, [...offered])).protocol, want);
  });
}

for (const { protocol, wants, types } of [
  { protocol: v4, wants: everything, types: ["error", "stdin", "stdout", "stderr"] },
  { protocol: v4, wants: terminal, types: ["error", "stdin", "stdout", "resize"] },
  { protocol: v3, wants: terminal, types: ["resize", "stdout", "stdin", "error"] },
  { protocol: v2, wants: terminal, types: ["error", "stdin", "stdout"] },
  { protocol: v4, wants: { ...everything, stdin: false, stderr: false }, types: ["error", "stdout"] },
]) {
  test(`on ${protocol} a command with ${JSON.stringify(wants)} starts with ${types.join(", ")}, and not before`, async (t) => {
    const { client, command } = await dialCommand(t, [protocol], { wants });
    await openStreams(client, ...types.slice(0, -1));
    await client.ping();
    assert.ok(await isPending(command));
    await openStreams(client, ...types.slice(-1));
    const started = await command;
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      assert.equal(started?.[name] !== undefined, wants[name], name);
    }
  });
}

test("input comes as it was sent, and ends when the client ends it; output goes on", async (t) => {
  const { command, streams } = await openCommand(t, v4);
  await streams["stdin"]?.write("in");
  await streams["stdin"]?.write("put");
  await streams["stdin"]?.fin();
  assert.equal(await heard(command.stdin), "input");
  command.stdout?.write("still here");
  void command.finish(success);
  assert.equal(await rest(streams["stdout"]), "still here|fin");
});

test("a client that sends on when all is over is freed: its input and its sizes are reset", async (t) => {
  const { client, command, streams } = await openCommand(t, v4, { wants: terminal });
  // More than would be kept for a reader: it waits for one that will never come.
  const sending = streams["stdin"]!.write(Buffer.alloc(8 * 2 ** 20));
  const finished = command.finish(success);
  assert.equal(await rest(streams["stdin"]), "|reset");
  assert.equal(await rest(streams["resize"]), "|reset");
  assert.equal(await rest(streams["error"]), '{"metadata":{},"status":"Success"}|fin');
  await sending;
  await client.leave();
  await finished;
});

test("what a client says on streams that nobody reads does not stop the others", async (t) => {
  const { command, streams } = await openCommand(t, v4);
  for (const type of ["error", "stdout", "stderr"]) await streams[type]!.write(Buffer.alloc(2 ** 20));
  await streams["stdin"]?.write("input");
  assert.equal(String((await once(command.stdin!, "data"))[0]), "input");
});

test("after the end the connection stays until the client leaves, so that a slow one loses nothing", async (t) => {
  const { client, command, streams } = await openCommand(t, v4);
  client.pause();
  const size = 8 * 2 ** 20;
  command.stdout?.write(Buffer.alloc(size, "x"));
  const finished = command.finish(exit3);
  assert.ok(await isPending(finished));
  client.resume();
  assert.equal((await streams["stdout"]!.digest()).bytes, size);
  await client.ping();
  assert.ok(await isPending(finished));
  await client.leave();
  await finished;
  assert.equal(command.gone.aborted, false);
});

for (const how of ["leaves", "vanishes"] as const) {
  test(`a client that ${how} before the end is gone, and its streams with it`, async (t) => {
    const { client, command } = await openCommand(t, v4);
    if (how === "leaves") await client.leave();
    else client.connection.destroy();
    await fired(command.gone);
    assert.ok(command.gone.reason instanceof Error);
    command.stdout?.write("nobody hears");
    await command.finish(success);
  });
}

test("a client that neither sends nor receives for the idle timeout is gone", async (t) => {
  const { command } = await openCommand(t, v4, { wants: everything, idleTimeout: 50 });
  await fired(command.gone);
  assert.match(String(command.gone.reason), /idle timeout/);
  await command.finish(success);
});

test("sizes come in their order; of those before anybody listens the last one", async (t) => {
  const { client, command, streams } = await openCommand(t, v4, { wants: terminal });
  const sizes: string[] = [];
  await streams["resize"]?.write('{"Width":1,"Height":1}\n{"Width":80,"Height":24}\n');
  await client.ping();
  command.onResize(({ width, height }) => sizes.push(`${width}x${height}`));
  assert.deepEqual(sizes, ["80x24"]);
  await streams["resize"]?.write('{"Width":81,"Hei');
  await streams["resize"]?.write('ght":25}\n{"Width":80,"Height":24}\n');
  await client.ping();
  assert.deepEqual(sizes, ["80x24", "81x25", "80x24"]);
});

test("a size event that is none ends the resizing, not the session", async (t) => {
  const { client, command, streams } = await openCommand(t, v4, { wants: terminal });
  const sizes: number[] = [];
  command.onResize(({ width }) => sizes.push(width));
  await streams["resize"]?.write('{"Width":"wide"}{"Width":80,"Height":24}');
  await client.ping();
  assert.deepEqual(sizes, []);
  command.stdout?.write("fine");
  void command.finish(success);
  assert.equal(await rest(streams["stdout"]), "fine|fin");
});
