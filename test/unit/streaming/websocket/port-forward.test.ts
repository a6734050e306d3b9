import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import { dialRaw } from "./raw-client.js";
import { dial, fired, forwardServer, isPending, onChannel, openForward, readAll } from "./support.js";

const v4 = "v4.channel.k8s.io";

test("the bytes on the wire are those of other servers: the port, little-endian, on both its channels", async (t) => {
  const { port, accepted } = await forwardServer(t, { ports: [8080, 80] });
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": v4 } });
  await client.head();
  assert.equal(await client.bytes(20), "820300901f820301901f82030250008203035000");
  const { client: forward } = await accepted;
  assert.equal(forward?.kind, "channels");
});

test("the bytes on the wire are those of other servers, in base64 too", async (t) => {
  const { port } = await forwardServer(t, { ports: [8080] });
  const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": "v4.base64.channel.k8s.io" } });
  await client.head();
  assert.equal(await client.bytes(14), "8105306b42383d8105316b42383d");
});

test("no ports: opened and closed", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4);
  assert.deepEqual(forward.channels, []);
  await forward.done();
  assert.equal((await inbox.closed).code, 1000);
  assert.deepEqual(await inbox.rest(), []);
});

for (const protocol of [v4, "v4.base64.channel.k8s.io", undefined]) {
  test(`several ports have their own data, each way, on ${protocol ?? "no protocol"}`, async (t) => {
    const base64 = protocol === "v4.base64.channel.k8s.io";
    const { inbox, forward } = await openForward(t, "channels", protocol, { ports: [1, 65535, 443] });
    for (let count = 0; count < 6; count++) await inbox.next();
    assert.deepEqual(
      forward.channels.map(({ port }) => port),
      [1, 65535, 443],
    );
    const received = forward.channels.map(({ data }) => once(data, "data"));
    for (const index of [0, 1, 2]) {
      const text = `to ${index}`;
      inbox.webSocket.send(
        base64 ? `${2 * index}${Buffer.from(text).toString("base64")}` : onChannel(2 * index, text),
      );
    }
    assert.deepEqual((await Promise.all(received)).map(String), ["to 0", "to 1", "to 2"]);
    for (const [index, { data }] of forward.channels.entries()) {
      data.write(`from ${index}`);
      assert.equal(
        await inbox.nextText(),
        base64
          ? `text:${2 * index}${Buffer.from(`from ${index}`).toString("base64")}`
          : `${2 * index}:from ${index}`,
      );
    }
    forward.channels[1]?.fail("refused");
    assert.equal(
      await inbox.nextText(),
      base64 ? `text:3${Buffer.from("refused").toString("base64")}` : "3:refused",
    );
  });
}

test("ports in their tens have channels in base64 beyond the digits", async (t) => {
  const ports = Array.from({ length: 39 }, (_, index) => 1000 + index);
  const { inbox, forward } = await openForward(t, "channels", "v4.base64.channel.k8s.io", { ports });
  for (let count = 0; count < 78; count++) await inbox.next();
  const last = forward.channels[38]!;
  inbox.webSocket.send(`${String.fromCharCode(0x30 + 76)}aGk=`);
  assert.equal(String((await once(last.data, "data"))[0]), "hi");
  last.fail("hi");
  assert.equal(await inbox.nextText(), `text:${String.fromCharCode(0x30 + 77)}aGk=`);
});

test("one port's end closes nothing; the end of all delivers everything and closes with 1000", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80, 81] });
  for (let count = 0; count < 4; count++) await inbox.next();
  const [first, second] = forward.channels;
  first?.fail("error forwarding port 80");
  first?.data.end();
  assert.equal(await inbox.nextText(), "1:error forwarding port 80");
  second?.data.write("a".repeat(100_000));
  second?.data.end("z");
  await forward.done();
  const messages = await inbox.rest();
  assert.equal(messages.map((message) => message.slice(2)).join(""), `${"a".repeat(100_000)}z`);
  assert.ok(messages.every((message) => message.startsWith("2:")));
  assert.equal((await inbox.closed).code, 1000);
  assert.equal(forward.gone.aborted, false);
});

test("the Close waits until everything is sent, so that pings are answered as long as possible", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80] });
  inbox.webSocket.pause();
  // Not in a stream that could be waited for.
  forward.channels[0]?.fail("x".repeat(30_000_000));
  const done = forward.done();
  assert.ok(await isPending(done));
  const pong = once(inbox.webSocket, "pong");
  inbox.webSocket.ping("still there");
  inbox.webSocket.resume();
  assert.equal(String((await pong)[0]), "still there");
  await done;
  assert.equal((await inbox.closed).code, 1000);
});

test("what is on no port's data channel is swallowed", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80] });
  for (const channel of [1, 2, 3, 4, 255]) inbox.webSocket.send(onChannel(channel, "what"));
  inbox.webSocket.send("");
  inbox.webSocket.send(onChannel(0, "data"));
  const [data] = (await once(forward.channels[0]!.data, "data")) as [Buffer];
  assert.equal(data.toString(), "data");
});

test("what is no base64 ends the connection", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", "v4.base64.channel.k8s.io", { ports: [80] });
  inbox.webSocket.send("0*");
  assert.equal((await inbox.closed).code, 1007);
  await fired(forward.gone);
  assert.ok(forward.channels[0]?.data.destroyed);
});

test("a client that vanishes destroys all streams and fires gone", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80, 81] });
  const relays = forward.channels.map(({ data }) => pipeline(data, new PassThrough()));
  inbox.webSocket.terminate();
  for (const relay of relays) await assert.rejects(relay);
  await fired(forward.gone);
  await forward.done();
});

test("a client that closes is gone when what it sent has been read", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80, 81] });
  inbox.webSocket.send(onChannel(0, "first"));
  inbox.webSocket.send(onChannel(2, "second"));
  inbox.webSocket.close();
  await inbox.closed;
  const [first, second] = forward.channels;
  assert.equal(await readAll(first!.data), "first");
  assert.equal(forward.gone.aborted, false);
  assert.equal(await readAll(second!.data), "second");
  await fired(forward.gone);
  assert.ok(first?.data.destroyed && second?.data.destroyed);
  await forward.done();
});

test("nothing said for the idle timeout ends it", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80], idleTimeout: 30 });
  assert.equal((await inbox.closed).code, 1001);
  await fired(forward.gone);
});

test("a tunnel has no idle timeout of its own", async (t) => {
  const { port, accepted } = await forwardServer(t, { idleTimeout: 1 });
  const inbox = await dial(t, port, ["v2.portforward.k8s.io"]);
  const { client } = await accepted;
  assert.equal(client?.kind, "tunnel");
  inbox.webSocket.ping();
  await once(inbox.webSocket, "pong");
  assert.ok(await isPending(inbox.closed));
});

test("16 MiB go both ways on each of two ports, whole", async (t) => {
  const { inbox, forward } = await openForward(t, "channels", v4, { ports: [80, 81] });
  for (let count = 0; count < 4; count++) await inbox.next();
  const hashes = [0, 1].map(() => ({ sent: createHash("sha256"), received: createHash("sha256") }));
  const echoes = forward.channels.map(({ data }) => pipeline(data, new PassThrough(), data, { end: false }));
  const size = 16 * 1024 * 1024;
  let received = 0;
  const arrived = new Promise<void>((resolve) => {
    inbox.webSocket.removeAllListeners("message");
    inbox.webSocket.on("message", (data: Buffer) => {
      hashes[data[0]! / 2]?.received.update(data.subarray(1));
      received += data.length - 1;
      if (received === 2 * size) resolve();
    });
  });
  for (let index = 0; index < size / 65536; index++) {
    for (const port of [0, 1]) {
      const chunk = Buffer.alloc(65536, (index + port) % 251);
      hashes[port]?.sent.update(chunk);
      inbox.webSocket.send(onChannel(2 * port, chunk));
    }
  }
  await arrived;
  for (const { sent, received } of hashes) assert.equal(received.digest("hex"), sent.digest("hex"));
  inbox.webSocket.close();
  await Promise.allSettled(echoes);
});
