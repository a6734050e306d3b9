import assert from "node:assert/strict";
import { test } from "node:test";
import { dialRaw, frame } from "./raw-client.js";
import { commandServer, forwardServer, onChannel, readAll } from "./support.js";

const answerOf = (lines: string[], name: string): string | undefined =>
  lines.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}: `))?.slice(name.length + 2);

for (const [server, protocol] of [
  [commandServer, "v5.channel.k8s.io"],
  [commandServer, "v4.channel.k8s.io"],
  [commandServer, "v4.base64.channel.k8s.io"],
  [commandServer, "channel.k8s.io"],
  [commandServer, "base64.channel.k8s.io"],
  [commandServer, undefined],
  [forwardServer, "v4.channel.k8s.io"],
  [forwardServer, "v4.base64.channel.k8s.io"],
  [forwardServer, "SPDY/3.1+portforward.k8s.io"],
  [forwardServer, "v2.portforward.k8s.io"],
  [forwardServer, undefined],
] as const) {
  test(`${server.name} switches, and answers with the protocol ${protocol ?? "left out"}`, async (t) => {
    const { port, accepted } = await server(t);
    const client = dialRaw(t, port, {
      headers: { "Sec-WebSocket-Protocol": protocol, "Sec-WebSocket-Extensions": "permessage-deflate" },
    });
    const lines = await client.head();
    assert.equal(lines[0], "HTTP/1.1 101 Switching Protocols");
    assert.equal(answerOf(lines, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert.equal(answerOf(lines, "Sec-WebSocket-Protocol"), protocol);
    assert.equal(answerOf(lines, "Sec-WebSocket-Extensions"), undefined);
    assert.ok((await accepted).client);
  });
}

for (const [title, request, status, body, header] of [
  ["POST", { method: "POST" }, "405 Method Not Allowed", /GET/, ["Allow", "GET"]],
  [
    "an old version",
    { headers: { "Sec-WebSocket-Version": "8" } },
    "400 Bad Request",
    /must be 13/,
    ["Sec-WebSocket-Version", "13"],
  ],
  ["no version", { headers: { "Sec-WebSocket-Version": undefined } }, "400 Bad Request", /must be 13/],
  ["no key", { headers: { "Sec-WebSocket-Key": undefined } }, "400 Bad Request", /Key/],
  ["a short key", { headers: { "Sec-WebSocket-Key": "c2hvcnQ=" } }, "400 Bad Request", /Key/],
  [
    "no protocol in common",
    { headers: { "Sec-WebSocket-Protocol": "v3.channel.k8s.io, chat" } },
    "403 Forbidden",
    /offered v3.channel.k8s.io, chat, supported v5.channel.k8s.io/,
  ],
] as const) {
  test(`a handshake with ${title} is refused with ${status} and the reason`, async (t) => {
    const { port, accepted } = await commandServer(t);
    const client = dialRaw(t, port, request);
    const lines = await client.head();
    assert.equal(lines[0], `HTTP/1.1 ${status}`);
    if (header) assert.equal(answerOf(lines, header[0]), header[1]);
    assert.match(await client.rest(), body);
    assert.equal((await accepted).client, undefined);
  });
}

for (const [protocol, most] of [
  ["v4.channel.k8s.io", 128],
  ["v4.base64.channel.k8s.io", 39],
  [undefined, 128],
] as const) {
  test(`more than ${most} ports are refused on ${protocol ?? "no protocol"}: channels have no more numbers`, async (t) => {
    for (const [count, status] of [
      [most, "101 Switching Protocols"],
      [most + 1, "403 Forbidden"],
    ] as const) {
      const { port } = await forwardServer(t, { ports: Array.from({ length: count }, () => 80) });
      const client = dialRaw(t, port, { headers: { "Sec-WebSocket-Protocol": protocol } });
      assert.equal((await client.head())[0], `HTTP/1.1 ${status}`);
    }
  });
}

test("messages that came right behind the request are not lost", async (t) => {
  const { port, accepted } = await commandServer(t);
  dialRaw(t, port, {
    headers: { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" },
    behind: Buffer.concat([frame(2, onChannel(0, "early")), frame(2, Buffer.from([255, 0]))]),
  });
  const { client } = await accepted;
  assert.ok(client?.stdin);
  assert.equal(await readAll(client.stdin), "early");
});
