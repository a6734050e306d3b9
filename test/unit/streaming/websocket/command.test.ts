import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { dialRaw } from "./raw-client.js";
import { commandServer, dial, everything, onChannel, openCommand, success } from "./support.js";

const failure = { kind: "failed", message: "no such file" } as const;
const json = (status: string): string => JSON.stringify({ metadata: {}, status });
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const binary = { out: "1:out", err: "2:err" };
const texts = { out: `text:1${base64("out")}`, err: `text:2${base64("err")}` };
for (const { protocol, first, out, err, good, bad } of [
  {
    protocol: "v5.channel.k8s.io",
    first: "1:",
    ...binary,
    good: [`3:${json("Success")}`],
    bad: `3:${json("Failure")}`,
  },
  {
    protocol: "v4.channel.k8s.io",
    first: "1:",
    ...binary,
    good: [`3:${json("Success")}`],
    bad: `3:${json("Failure")}`,
  },
  { protocol: "channel.k8s.io", first: "1:", ...binary, good: [], bad: "3:it went wrong" },
  { protocol: undefined, first: "1:", ...binary, good: [], bad: "3:it went wrong" },
  {
    protocol: "v4.base64.channel.k8s.io",
    first: "text:1",
    ...texts,
    good: [`text:3${base64(json("Success"))}`],
    bad: `text:3${base64(json("Failure"))}`,
  },
  {
    protocol: "base64.channel.k8s.io",
    first: "text:1",
    ...texts,
    good: [],
    bad: `text:3${base64("it went wrong")}`,
  },
]) {
  const name = protocol ?? "no protocol";
  for (const result of [success, failure]) {
    test(`on ${name} output, then how it ${result.kind}, then Close 1000 come in this order`, async (t) => {
      const { port, accepted } = await commandServer(t);
      const inbox = await dial(t, port, protocol === undefined ? [] : [protocol]);
      const { client: command } = await accepted;
      assert.equal(await inbox.nextText(), first);
      command?.stdout?.write("out");
      assert.equal(await inbox.nextText(), out);
      command?.stderr?.write("err");
      await command?.finish(result);
      assert.deepEqual(await inbox.rest(), [err, ...(result === success ? good : [bad])]);
      assert.equal((await inbox.closed).code, 1000);
      assert.equal(command?.gone.aborted, false);
    });
  }
}

for (const [wants, channel] of [
  [{ stdin: true, stdout: false, stderr: true, tty: false }, 2],
  [{ stdin: true, stdout: false, stderr: false, tty: false }, 3],
  [{ stdin: false, stdout: true, stderr: false, tty: true }, 1],
] as const) {
  test(`with ${JSON.stringify(wants)} the first, empty message is on channel ${channel}`, async (t) => {
    const { port, accepted } = await commandServer(t, { wants });
    const inbox = await dial(t, port, ["v5.channel.k8s.io"]);
    assert.equal(await inbox.nextText(), `${channel}:`);
    const { client } = await accepted;
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      assert.equal(client?.[name] !== undefined, wants[name], name);
    }
  });
}

test("the bytes on the wire are those of other servers", async (t) => {
  const { port, accepted } = await commandServer(t);
  const client = dialRaw(t, port);
  await client.head();
  const command = (await accepted).client;
  assert.equal(await client.bytes(3), "820101");
  command?.stdout?.write("hi");
  assert.equal(await client.bytes(5), "8203016869");
  void command?.finish(success);
  assert.equal(await client.bytes(4), "880203e8");
});

test("the bytes on the wire are those of other servers, in base64 too", async (t) => {
  const { port, accepted } = await commandServer(t);
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "base64.channel.k8s.io" } });
  await client.head();
  assert.equal(await client.bytes(3), "810131");
  (await accepted).client?.stdout?.write("hi");
  assert.equal(await client.bytes(7), "81053161476b3d");
});

test("output longer than a message comes in several, of 32 KiB at most", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  command.stdout?.write(Buffer.alloc(70 * 1024));
  for (const size of [32, 32, 6]) assert.equal((await inbox.next()).length, 1 + size * 1024);
});

test("output longer than a message comes in several in base64, none of them padded but the last", async (t) => {
  const { inbox, command } = await openCommand(t, "v4.base64.channel.k8s.io");
  command.stdout?.write(Buffer.alloc(25 * 1024));
  assert.equal((await inbox.next()).length, "text:1".length + 32 * 1024);
  assert.match(await inbox.nextText(), /^text:1[A-Za-z0-9+/]+=*$/);
});

test("what is not wanted is swallowed", async (t) => {
  const wants = { ...everything, stdin: false };
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io", { wants });
  for (const channel of [0, 1, 2, 3, 5, 9, 254]) inbox.webSocket.send(onChannel(channel, "what"));
  inbox.webSocket.send("");
  for (const channel of [0, 1, 2, 3, 4, 0]) inbox.webSocket.send(Buffer.from([255, channel]));
  inbox.webSocket.ping();
  await once(inbox.webSocket, "pong");
  await command.finish(success);
  assert.equal((await inbox.closed).code, 1000);
});
