import assert from "node:assert/strict";
import { test } from "node:test";
import { dialRaw, frame } from "./raw-client.js";
import { commandServer, fired, onChannel, openCommand, readAll, success } from "./support.js";

test("a message in fragments is one message, with pings in between", async (t) => {
  const { port, accepted } = await commandServer(t);
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" } });
  await client.head();
  await client.bytes(3);
  client.socket.write(frame(2, onChannel(0, "a"), { fin: false }));
  client.socket.write(frame(9, Buffer.from("?")));
  assert.equal(await client.bytes(3), "8a013f");
  client.socket.write(frame(0, Buffer.from("\x01b"), { fin: false }));
  client.socket.write(frame(0, Buffer.from("c")));
  client.socket.write(frame(2, Buffer.from([255, 0])));
  assert.equal(await readAll((await accepted).client!.stdin!), "a\x01bc");
});

test("a message is whole however its bytes come", async (t) => {
  const { port, accepted } = await commandServer(t);
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" } });
  await client.head();
  client.socket.setNoDelay(true);
  const bytes = Buffer.concat([frame(2, onChannel(0, "bit by bit")), frame(2, Buffer.from([255, 0]))]);
  for (const byte of bytes) {
    await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
  }
  assert.equal(await readAll((await accepted).client!.stdin!), "bit by bit");
});

for (const [title, bytes, code] of [
  ["an unmasked frame", frame(2, onChannel(0, "x"), { masked: false }), 1002],
  ["an unknown opcode", frame(3, Buffer.alloc(0)), 1002],
  ["a continuation of nothing", frame(0, Buffer.from("x")), 1002],
  ["a compressed frame", frame(0x42, onChannel(0, "x")), 1002],
  ["a message of more than 32 MiB", Buffer.from("82ff0000000002000001", "hex"), 1009],
  ["a message of absurd length", Buffer.from("82ffffffffffffffffff", "hex"), 1009],
] as const) {
  test(`${title} ends the connection with Close ${code}`, async (t) => {
    const { port, accepted } = await commandServer(t);
    const client = dialRaw(t, port);
    await client.head();
    await client.bytes(3);
    client.socket.write(bytes);
    assert.equal(await client.bytes(4), `8802${code.toString(16).padStart(4, "0")}`);
    await client.ended;
    client.socket.end();
    const { client: command } = await accepted;
    await fired(command!.gone);
    assert.ok(command?.stdin?.destroyed);
    await command?.finish(success);
  });
}

test("a message of 32 MiB is taken", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.send(Buffer.alloc(32 * 1024 * 1024));
  inbox.webSocket.send(Buffer.from("ff00", "hex"));
  let length = 0;
  for await (const chunk of command.stdin!) length += (chunk as Buffer).length;
  assert.equal(length, 32 * 1024 * 1024 - 1);
});
