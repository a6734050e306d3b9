import assert from "node:assert/strict";
import { test } from "node:test";
import { closeFrame, dialRaw, frame } from "./raw-client.js";
import {
  commandServer,
  fired,
  isDrained,
  isPending,
  onChannel,
  openCommand,
  statusOf,
  success,
} from "./support.js";

for (const [title, leave] of [
  ["its Close", closeFrame],
  ["the end of its bytes", undefined],
] as const) {
  test(`after Close 1000 the connection stays until the client's last word, ${title}`, async (t) => {
    const { port, accepted } = await commandServer(t);
    const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "v4.channel.k8s.io" } });
    await client.head();
    const { client: command } = await accepted;
    const finished = command!.finish(success);
    await client.bytes(3 + 3 + statusOf(success).json.length);
    assert.equal(await client.bytes(4), "880203e8");
    // What it sends on until then is of no interest.
    client.socket.write(frame(2, onChannel(0, "late")));
    assert.ok(await isPending(finished));
    assert.equal(client.socket.readableEnded, false);
    if (leave) client.socket.write(leave);
    else client.socket.end();
    await client.ended;
    client.socket.end();
    await finished;
    assert.equal(command?.gone.aborted, false);
  });
}

test("a client that never answers the Close is left after the time it is given", async (t) => {
  const { port, accepted } = await commandServer(t, { lingerTimeout: 20 });
  const client = dialRaw(t, port);
  await client.head();
  const { client: command } = await accepted;
  await command!.finish(success);
  await client.ended;
});

test("an end that nobody reads is given up after the idle timeout, if that is shorter", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io", { idleTimeout: 200 });
  inbox.webSocket.pause();
  for (let index = 0; index < 200; index++) command.stdout?.write(Buffer.alloc(100_000));
  await command.finish(success);
  assert.ok(command.stdout?.destroyed);
});

test("a client that vanishes fires gone and destroys the streams, also one that is waited for", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.pause();
  while (command.stdout!.write(Buffer.alloc(100_000)));
  const closed = [command.stdin!, command.stdout!, command.stderr!].map(
    (stream) => new Promise((resolve) => stream.once("close", resolve)),
  );
  inbox.webSocket.terminate();
  await fired(command.gone);
  await Promise.all(closed);
  await command.finish(success);
});

test("a client that only ends its bytes, without a Close, has vanished", async (t) => {
  const { port, accepted } = await commandServer(t);
  const client = dialRaw(t, port);
  await client.head();
  const { client: command } = await accepted;
  client.socket.end();
  await fired(command!.gone);
  assert.match(String(command!.gone.reason), /without a Close/);
  await client.ended;
});

test("a client that vanishes during the end lets it end, and is not said to have gone before", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.pause();
  while (command.stdout!.write(Buffer.alloc(100_000)));
  const finished = command.finish(success);
  inbox.webSocket.terminate();
  await finished;
  assert.equal(command.gone.aborted, false);
});

test("a client that closes during the end lets it end", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io", { closeTimeout: 20 });
  inbox.webSocket.pause();
  while (command.stdout!.write(Buffer.alloc(100_000)) || (await isDrained(command.stdout!)));
  const finished = command.finish(success);
  inbox.webSocket.close();
  await finished;
  assert.ok(command.stdout?.destroyed);
});

test("nothing said for the idle timeout ends the connection, but not with success", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io", { idleTimeout: 50 });
  // Pings are no sign of use.
  inbox.webSocket.on("pong", () => inbox.webSocket.ping());
  inbox.webSocket.ping();
  const { code, reason } = await inbox.closed;
  assert.equal(code, 1001);
  assert.match(reason, /idle timeout/);
  await fired(command.gone);
});
