import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { fired, onChannel, openCommand, readAll, success } from "./support.js";

test("v5 ends stdin by a message, and output goes on after it", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.send(onChannel(0, "one "));
  inbox.webSocket.send(onChannel(0));
  inbox.webSocket.send(onChannel(0, "two"));
  inbox.webSocket.send(Buffer.from("ff00", "hex"));
  inbox.webSocket.send(onChannel(0, "too late"));
  inbox.webSocket.send(Buffer.from("ff00", "hex"));
  assert.equal(await readAll(command.stdin!), "one two");
  command.stdout?.write("still here");
  assert.equal(await inbox.nextText(), "1:still here");
  await command.finish(success);
  assert.equal((await inbox.closed).code, 1000);
});

for (const hex of ["ff", "ff05", "ff0000"]) {
  test(`v5 takes ${hex} for a broken protocol`, async (t) => {
    const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
    inbox.webSocket.send(Buffer.from(hex, "hex"));
    assert.equal((await inbox.closed).code, 1002);
    await fired(command.gone);
    assert.ok(command.stdin?.destroyed);
  });
}

for (const protocol of ["v4.channel.k8s.io", "channel.k8s.io", undefined]) {
  test(`on ${protocol ?? "no protocol"} there is no message that ends stdin: the client's Close does`, async (t) => {
    const { inbox, command } = await openCommand(t, protocol);
    inbox.webSocket.send(Buffer.from("ff00", "hex"));
    inbox.webSocket.send(onChannel(0, "all of it"));
    inbox.webSocket.close();
    await inbox.closed;
    // The client has closed, but what it said before is still to be read.
    assert.equal(command.gone.aborted, false);
    assert.equal(await readAll(command.stdin!), "all of it");
    await fired(command.gone);
    assert.ok(command.stdout?.destroyed);
    await command.finish(success);
  });
}

test("a client that closes is gone after a while, even if nobody reads what it sent", async (t) => {
  const { inbox, command } = await openCommand(t, "v4.channel.k8s.io", { closeTimeout: 20 });
  inbox.webSocket.send(onChannel(0, "unread"));
  inbox.webSocket.close();
  await fired(command.gone);
  assert.ok(command.stdin?.destroyed);
});

test("a client that closes when its input was read has gone at once", async (t) => {
  const { inbox, command } = await openCommand(t, "v4.channel.k8s.io");
  command.stdin?.resume();
  inbox.webSocket.close(1000);
  await fired(command.gone);
  assert.equal((await inbox.closed).code, 1000);
});

test("a client that closes when no input was asked for has gone at once", async (t) => {
  const wants = { stdin: false, stdout: true, stderr: true, tty: false };
  const { inbox, command } = await openCommand(t, "v4.channel.k8s.io", { wants });
  inbox.webSocket.close(1000);
  await fired(command.gone);
});

test("base64 input is decoded", async (t) => {
  const { inbox, command } = await openCommand(t, "v4.base64.channel.k8s.io");
  for (const text of ["0", "0aGk=", "0IQ==", "9aGk=", "xaGk="]) inbox.webSocket.send(text);
  // Whether it comes as text or binary does not matter.
  inbox.webSocket.send(Buffer.from("0bm93"));
  inbox.webSocket.close();
  assert.equal(await readAll(command.stdin!), "hi!now");
});

test("input that is no base64 ends the connection", async (t) => {
  const { inbox, command } = await openCommand(t, "base64.channel.k8s.io");
  inbox.webSocket.send("0?");
  assert.equal((await inbox.closed).code, 1007);
  await fired(command.gone);
});

test("text is taken in a binary protocol as well", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.send("\0héllo");
  const [data] = (await once(command.stdin!, "data")) as [Buffer];
  assert.equal(data.toString(), "héllo");
});

test("64 MiB of input arrive whole at a slow reader, and little of it waits in memory", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io");
  const hash = createHash("sha256");
  for (let index = 0; index < 1024; index++) {
    const chunk = Buffer.alloc(64 * 1024, index % 251);
    hash.update(chunk);
    inbox.webSocket.send(onChannel(0, chunk));
  }
  inbox.webSocket.send(Buffer.from("ff00", "hex"));
  // Nobody reads until the client has been stopped.
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  const received = createHash("sha256");
  let most = 0;
  for await (const chunk of command.stdin!) {
    most = Math.max(most, (chunk as Buffer).length + command.stdin!.readableLength + socket.readableLength);
    received.update(chunk as Buffer);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(received.digest("hex"), hash.digest("hex"));
  assert.ok(most <= 1024 * 1024, `${most} bytes waited`);
});

test("while stdin's reader stops all reading, pongs come unasked, and then real ones again", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io", { pongInterval: 5 });
  inbox.webSocket.send(onChannel(0, Buffer.alloc(1024 * 1024)));
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  for (let count = 0; count < 3; count++) {
    assert.equal(String((await once(inbox.webSocket, "pong"))[0]), "");
  }
  command.stdin?.resume();
  inbox.webSocket.ping("asked");
  while (String((await once(inbox.webSocket, "pong"))[0]) !== "asked");
});

test("a client that vanishes while nothing is read from it is noticed", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io", { pongInterval: 5 });
  inbox.webSocket.send(onChannel(0, Buffer.alloc(1024 * 1024)));
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  inbox.webSocket.terminate();
  await fired(command.gone);
});

test("the end does not wait for stdin's reader", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io");
  for (let count = 0; count < 64; count++) inbox.webSocket.send(onChannel(0, Buffer.alloc(1024 * 1024)));
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  await command.finish(success);
  assert.equal((await inbox.closed).code, 1000);
  assert.ok(command.stdin?.destroyed);
});

test("input that its reader has given up is dropped, and the rest goes on", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.send(onChannel(0, Buffer.alloc(1024 * 1024)));
  while (!socket.isPaused()) await new Promise((resolve) => setImmediate(resolve));
  command.stdin?.destroy();
  inbox.webSocket.send(onChannel(0, Buffer.alloc(1024 * 1024)));
  inbox.webSocket.send(onChannel(4, '{"Width":80,"Height":24}'));
  const size = await new Promise((resolve) => command.onResize(resolve));
  assert.deepEqual(size, { width: 80, height: 24 });
});
