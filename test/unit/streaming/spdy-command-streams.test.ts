/** Clients that open other streams than those that they should. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { dialSpdy, HeaderDeflater, synStreamFrame } from "../../support/spdy-client.js";
import {
  commandServer,
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

const noStderr = { ...everything, stderr: false };

for (const { title, protocol, wants, headers } of [
  { title: "of an unknown kind", protocol: v4, wants: everything, headers: { streamtype: "stdlog" } },
  { title: "of a kind in other letters", protocol: v4, wants: everything, headers: { streamtype: "Stdin" } },
  { title: "without a kind", protocol: v4, wants: everything, headers: {} },
  {
    title: "for sizes without a terminal",
    protocol: v4,
    wants: everything,
    headers: { streamtype: "resize" },
  },
  { title: "for sizes on v2", protocol: v2, wants: terminal, headers: { streamtype: "resize" } },
  { title: "for sizes on v1", protocol: v1, wants: terminal, headers: { streamtype: "resize" } },
  { title: "that the RPC did not ask for", protocol: v4, wants: noStderr, headers: { streamtype: "stderr" } },
]) {
  test(`a stream ${title} is refused, and the session goes on without it`, async (t) => {
    const { client, command } = await dialCommand(t, [protocol], { wants });
    await assert.rejects(client.open(headers), /refused with status 5/);
    const resize = wants.tty && protocol === v4;
    const types = [
      "error",
      "stdin",
      "stdout",
      ...(wants.stderr ? ["stderr"] : []),
      ...(resize ? ["resize"] : []),
    ];
    const streams = await openStreams(client, ...types);
    const started = await command;
    started?.stdout?.write("fine");
    void started?.finish({ kind: "exited", code: 0 });
    assert.equal(await rest(streams["stdout"]), "fine|fin");
    assert.deepEqual(client.faults, []);
  });
}

test("a second stream of a kind is refused, and does not stand for one that is missing", async (t) => {
  const { client, command } = await dialCommand(t, [v4]);
  await openStreams(client, "error", "stdin", "stdout");
  await assert.rejects(client.open({ streamtype: "stdout" }), /refused with status 5/);
  const { stderr } = await openStreams(client, "stderr");
  const started = await command;
  started?.stderr?.write("the fourth");
  void started?.finish({ kind: "exited", code: 0 });
  assert.equal(await rest(stderr), "the fourth|fin");
});

test("a stream that comes when the command runs already is refused", async (t) => {
  const { client, command, streams } = await openCommand(t, v3);
  for (const streamtype of ["error", "stdin", "stdout", "stderr", "resize", "other"]) {
    await assert.rejects(client.open({ streamtype }), /refused with status 5/);
  }
  command.stdout?.write("fine");
  void command.finish({ kind: "exited", code: 0 });
  assert.equal(await rest(streams["stdout"]), "fine|fin");
});

for (const { protocol, opened, missing } of [
  { protocol: v4, opened: ["error"], missing: "stdin, stdout, stderr" },
  { protocol: v4, opened: ["error", "stdin", "stderr"], missing: "stdout" },
  { protocol: v2, opened: ["error", "stdout"], missing: "stdin, stderr" },
]) {
  test(`on ${protocol} a client with only ${opened.join(", ")} is told in time what is missing`, async (t) => {
    const { client, command } = await dialCommand(t, [protocol], { creationTimeout: 50 });
    const streams = await openStreams(client, ...opened);
    const [told = "", ...others] = await Promise.all(opened.map((type) => rest(streams[type])));
    const message =
      "Internal error occurred: error executing command in container: " +
      `the client did not open its streams in time: ${missing} missing`;
    if (protocol === v4) {
      assert.equal((JSON.parse(told.replace(/\|fin$/, "")) as { message: string }).message, message);
    } else assert.equal(told, `${message}|fin`);
    assert.ok(others.every((end) => end === "|fin"));
    await assert.rejects(client.open({ streamtype: "stdout" }), /refused/);
    await client.leave();
    assert.equal(await command, undefined);
    assert.deepEqual(client.faults, []);
  });
}

for (const opened of [[], ["stdin", "stdout"]]) {
  test(`a client that does not even open an error stream, but ${opened.join(", ") || "none"}, is left in time`, async (t) => {
    const { client, command } = await dialCommand(t, [v4], { creationTimeout: 50 });
    await openStreams(client, ...opened);
    await client.goaway;
    await client.closed;
    assert.equal(await command, undefined);
  });
}

for (const how of ["leaves", "vanishes"] as const) {
  test(`a client that ${how} before its streams are open is no command`, async (t) => {
    const { client, command } = await dialCommand(t, [v4]);
    await openStreams(client, "error", "stdin");
    if (how === "leaves") await client.leave();
    else client.connection.destroy();
    assert.equal(await command, undefined);
  });
}

test("streams that come together with the request are the first of the session", async (t) => {
  const { port, accepted } = await commandServer(t, { wants: { ...noStderr, stdin: false } });
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  const headers = new HeaderDeflater();
  const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${v4}\r\n\r\n`;
  const streams = ["error", "stdout"].map((type, index) =>
    synStreamFrame(1 + 2 * index, headers.write([["streamtype", type]])),
  );
  socket.write(Buffer.concat([Buffer.from(head), ...streams]));
  const { client } = await accepted;
  assert.ok(client?.stdout);
  await once(socket, "readable");
  assert.match(String(socket.read()), /^HTTP\/1\.1 101 Switching Protocols\r\n/);
});

test("a client without a protocol in common gets no session", async (t) => {
  const { port, accepted } = await commandServer(t);
  const answer = await dialSpdy(`http://127.0.0.1:${port}/`, ["portforward.k8s.io"]);
  assert.equal(answer.status, 403);
  assert.equal((await accepted).client, undefined);
});
