import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { isDrained, isPending, onChannel, openCommand, statusOf, success } from "./support.js";

/** Writes so much and waits whenever it is told to; the hash of it, and the most that waited in memory. */
async function writeMuch(
  command: { stdout: NodeJS.WritableStream | undefined },
  total: number,
  held: () => number,
) {
  const hash = createHash("sha256");
  let most = 0;
  for (let written = 0; written < total;) {
    const chunk = Buffer.alloc(Math.min(50_000, total - written), written % 251);
    hash.update(chunk);
    written += chunk.length;
    const goOn = command.stdout!.write(chunk);
    most = Math.max(most, held());
    if (!goOn) await once(command.stdout!, "drain");
  }
  return { digest: hash.digest("hex"), most };
}

test("64 MiB arrive whole at a slow client, and little of it waits in memory", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io");
  const { webSocket } = inbox;
  const hash = createHash("sha256");
  let received = 0;
  webSocket.removeAllListeners("message");
  webSocket.on("message", (data: Buffer) => {
    if (data[0] !== 1) return;
    hash.update(data.subarray(1));
    received += data.length - 1;
    // Reads a little, rests a little.
    if (received % 7 === 0) {
      webSocket.pause();
      setImmediate(() => webSocket.resume());
    }
  });
  webSocket.pause();
  const held = () => command.stdout!.writableLength + socket.writableLength;
  const written = writeMuch(command, 64 * 1024 * 1024, held);
  // The client does not read at all until the server has had to wait.
  while (!command.stdout?.writableNeedDrain) await new Promise((resolve) => setImmediate(resolve));
  webSocket.resume();
  const { digest, most } = await written;
  await command.finish(success);
  assert.equal((await inbox.closed).code, 1000);
  assert.equal(received, 64 * 1024 * 1024);
  assert.equal(hash.digest("hex"), digest);
  assert.ok(most <= 1024 * 1024, `${most} bytes waited`);
});

test("an end waits for a client that reads nothing for a while, and answers its pings until then", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  const { webSocket } = inbox;
  webSocket.pause();
  const chunk = Buffer.alloc(200_000, "x");
  let written = 0;
  do written += chunk.length;
  while (command.stdout!.write(chunk) || (await isDrained(command.stdout!)));
  const finished = command.finish(success);
  webSocket.ping("are you there");
  const pong = once(webSocket, "pong");
  assert.ok(await isPending(finished));
  webSocket.resume();
  assert.equal(String((await pong)[0]), "are you there");
  const messages = await inbox.rest();
  assert.equal(messages.pop(), `3:${statusOf(success).json}`);
  assert.equal(
    messages.reduce((sum, message) => sum + message.length - 2, 0),
    written,
  );
  await finished;
});

test("a client that sends pings and reads nothing does not fill the memory with answers", async (t) => {
  const { inbox, command, socket } = await openCommand(t, "v5.channel.k8s.io");
  const { webSocket } = inbox;
  webSocket.pause();
  while (command.stdout!.write(Buffer.alloc(100_000)) || (await isDrained(command.stdout!)));
  const before = socket.writableLength;
  for (let index = 0; index < 1000; index++) webSocket.ping(String(index));
  // Input that follows has been read behind all the pings.
  webSocket.send(onChannel(0, "after"));
  const [input] = (await once(command.stdin!, "data")) as [Buffer];
  assert.equal(input.toString(), "after");
  assert.ok(socket.writableLength - before < 1000, `${socket.writableLength - before} bytes of answers`);
  // The last one is answered when the client reads again.
  const last = new Promise<void>((resolve) =>
    webSocket.on("pong", (data) => (data.toString() === "999" ? resolve() : undefined)),
  );
  webSocket.resume();
  await last;
});
