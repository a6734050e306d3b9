import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import {
  acceptSpdy,
  isSpdyUpgrade,
  isWebSocketUpgrade,
  offeredProtocols,
  refuse,
} from "../../../src/streaming/handshake.js";
import { socketPair } from "./spdy/pair.js";

for (const { title, headers, want } of [
  { title: "client-go's SPDY", headers: { connection: "Upgrade", upgrade: "SPDY/3.1" }, want: "spdy" },
  { title: "lower case", headers: { connection: "upgrade", upgrade: "spdy/3.1" }, want: "spdy" },
  {
    title: "one connection option of several",
    headers: { connection: "keep-alive, Upgrade", upgrade: "SPDY/3.1" },
    want: "spdy",
  },
  {
    title: "one upgrade of several",
    headers: { connection: "Upgrade", upgrade: "h2c, SPDY/3.1" },
    want: "spdy",
  },
  { title: "WebSocket", headers: { connection: "Upgrade", upgrade: "websocket" }, want: "websocket" },
  {
    title: "a browser's WebSocket",
    headers: { connection: "keep-alive, Upgrade", upgrade: "WebSocket" },
    want: "websocket",
  },
  { title: "another protocol", headers: { connection: "Upgrade", upgrade: "h2c" }, want: undefined },
  { title: "another SPDY", headers: { connection: "Upgrade", upgrade: "SPDY/2" }, want: undefined },
  { title: "no protocol", headers: { connection: "Upgrade" }, want: undefined },
  { title: "no upgrade", headers: { upgrade: "SPDY/3.1" }, want: undefined },
  { title: "an option like it", headers: { connection: "Upgrades", upgrade: "SPDY/3.1" }, want: undefined },
  { title: "no wish for it", headers: { connection: "close", upgrade: "websocket" }, want: undefined },
  { title: "nothing", headers: {}, want: undefined },
]) {
  test(`a request with ${title} is ${want ?? "no upgrade"}`, () => {
    assert.equal(isSpdyUpgrade({ headers }), want === "spdy");
    assert.equal(isWebSocketUpgrade({ headers }), want === "websocket");
  });
}

for (const { title, header, want } of [
  { title: "one", header: "v4.channel.k8s.io", want: ["v4.channel.k8s.io"] },
  { title: "lines that Node has joined", header: "v4.a, v3.a, a", want: ["v4.a", "v3.a", "a"] },
  { title: "lines that are apart", header: ["v4.a", "v3.a,a"], want: ["v4.a", "v3.a", "a"] },
  { title: "blanks and empty words", header: " , v4.a ,,\ta", want: ["v4.a", "a"] },
  { title: "blanks only", header: "  ", want: [] },
  { title: "nothing", header: undefined, want: [] },
]) {
  test(`the protocols offered are read from ${title}`, () => {
    const headers: IncomingHttpHeaders = header === undefined ? {} : { "x-stream-protocol-version": header };
    assert.deepEqual(offeredProtocols({ headers }), want);
  });
}

const supported = ["v4.channel.k8s.io", "channel.k8s.io"];

/** What the client reads to the end, after the server's side has answered. */
async function answer(t: TestContext, respond: (socket: Socket) => void): Promise<string> {
  const { server, client } = await socketPair(t);
  respond(server);
  client.end();
  const parts: Buffer[] = [];
  for await (const data of client as AsyncIterable<Buffer>) parts.push(data);
  return Buffer.concat(parts).toString();
}

const offering = (...names: string[]) => ({ headers: { "x-stream-protocol-version": names.join(", ") } });

for (const [offered, want] of [
  [["v4.channel.k8s.io"], "v4.channel.k8s.io"],
  [["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"], "v4.channel.k8s.io"],
  // The client's order counts, not ours.
  [["channel.k8s.io", "v4.channel.k8s.io"], "channel.k8s.io"],
] as const) {
  test(`of ${offered.join(", ")} a client gets ${want}`, async (t) => {
    let chosen: string | undefined;
    const text = await answer(t, (socket) => {
      chosen = acceptSpdy(offering(...offered), socket, supported);
      socket.end();
    });
    assert.equal(chosen, want);
    assert.equal(
      text,
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
        `X-Stream-Protocol-Version: ${want}\r\n\r\n`,
    );
  });
}

test("a client without a protocol in common is told all that there are, in the body and a header each", async (t) => {
  const text = await answer(t, (socket) => {
    assert.equal(
      acceptSpdy(offering("v9.channel.k8s.io", "V4.channel.k8s.io"), socket, supported),
      undefined,
    );
  });
  const [head = "", body] = text.split("\r\n\r\n");
  const lines = head.split("\r\n");
  assert.equal(lines[0], "HTTP/1.1 403 Forbidden");
  assert.deepEqual(
    lines.filter((line) => line.startsWith("X-Accepted-Stream-Protocol-Versions")),
    supported.map((name) => `X-Accepted-Stream-Protocol-Versions: ${name}`),
  );
  assert.equal(
    body,
    "none of the protocols v9.channel.k8s.io, V4.channel.k8s.io is supported; v4.channel.k8s.io, channel.k8s.io are\n",
  );
});

for (const headers of [{}, { "x-stream-protocol-version": "" }, { "x-stream-protocol-version": " ," }]) {
  test(`a client that offers nothing, ${JSON.stringify(headers)}, is told what is missing`, async (t) => {
    const text = await answer(t, (socket) =>
      assert.equal(acceptSpdy({ headers }, socket, supported), undefined),
    );
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(text, /\r\n\r\nthe header X-Stream-Protocol-Version is needed\n$/);
  });
}

test("a refusal is a whole HTTP answer: status, length in bytes, the end of the connection", async (t) => {
  const text = await answer(t, (socket) => refuse(socket, 404, "kein Töken\n", ["X-Why: gone"]));
  assert.equal(
    text,
    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n" +
      "Connection: close\r\nX-Why: gone\r\n\r\nkein Töken\n",
  );
});

test("a refused client that is still sending gets to read why", async (t) => {
  const { server, client } = await socketPair(t);
  client.write(Buffer.alloc(2 ** 20));
  await once(server, "readable");
  refuse(server, 403, "no\n");
  const parts: Buffer[] = [];
  client.on("data", (data: Buffer) => parts.push(data));
  client.end(Buffer.alloc(2 ** 20));
  await once(client, "end");
  assert.match(Buffer.concat(parts).toString(), /^HTTP\/1\.1 403 .*\r\n\r\nno\n$/s);
  if (!server.closed) await once(server, "close");
});

test("a refused client that never leaves is left after a while", async (t) => {
  const { server, client } = await socketPair(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  refuse(server, 403, "no\n");
  await once(client.resume(), "end");
  assert.equal(server.destroyed, false);
  t.mock.timers.tick(5_000);
  await once(server, "close");
});
