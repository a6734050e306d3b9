import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TerminalSize } from "../../../../src/docker/engine.js";
import { onChannel, openCommand, readAll } from "./support.js";

const resize = (event: string): Buffer => onChannel(4, event);

test("sizes from before anyone listens count, the latest of them", async (t) => {
  const { inbox, command } = await openCommand(t, "v5.channel.k8s.io");
  inbox.webSocket.send(resize('{"Width":80,"Height":24}\n'));
  inbox.webSocket.send(resize('{"Width":120,"Height":40}\n'));
  inbox.webSocket.send(Buffer.from("ff00", "hex"));
  await readAll(command.stdin!);
  const sizes: TerminalSize[] = [];
  const third = new Promise<void>((resolve) =>
    command.onResize((size) => sizes.push(size) === 3 && resolve()),
  );
  assert.deepEqual(sizes, [{ width: 120, height: 40 }]);
  inbox.webSocket.send(resize('{"Width":1'));
  inbox.webSocket.send(resize('00,"Height":30}\n{"width":101,"height":31}'));
  await third;
  assert.deepEqual(sizes.slice(1), [
    { width: 100, height: 30 },
    { width: 101, height: 31 },
  ]);
});

test("what is no size ends the resizing and nothing else", async (t) => {
  const { inbox, command } = await openCommand(t, "v4.channel.k8s.io");
  const sizes: TerminalSize[] = [];
  command.onResize((size) => sizes.push(size));
  inbox.webSocket.send(resize('{"Width":80,"Height":24}'));
  inbox.webSocket.send(resize("{broken}"));
  inbox.webSocket.send(resize('{"Width":100,"Height":30}'));
  inbox.webSocket.send(onChannel(0, "input"));
  await once(command.stdin!, "data");
  assert.deepEqual(sizes, [{ width: 80, height: 24 }]);
});

test("sizes come in base64, too", async (t) => {
  const { inbox, command } = await openCommand(t, "base64.channel.k8s.io");
  const size = new Promise((resolve) => command.onResize(resolve));
  inbox.webSocket.send(`4${Buffer.from('{"Width":80,"Height":24}\n').toString("base64")}`);
  assert.deepEqual(await size, { width: 80, height: 24 });
});
