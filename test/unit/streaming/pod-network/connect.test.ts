import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { connectLocalhost } from "../../../../src/streaming/pod-network/connect.js";

const never = new AbortController().signal;

/** A server that says its address's family and ends. */
async function listen(host: string, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end(host));
  server.listen({ host, port });
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

/** A port that was free a moment ago: bound, and let go. */
async function unusedPort(): Promise<number> {
  const { server, port } = await listen("127.0.0.1");
  server.close();
  await once(server, "close");
  return port;
}

const cases = [
  { title: "an IPv4 server", hosts: ["127.0.0.1"], answers: "127.0.0.1" },
  { title: "an IPv6 server", hosts: ["::1"], answers: "::1" },
  { title: "the IPv4 one of two servers", hosts: ["127.0.0.1", "::1"], answers: "127.0.0.1" },
];
for (const { title, hosts, answers } of cases) {
  test(`localhost reaches ${title}`, async () => {
    const first = await listen(hosts[0] ?? "");
    const servers = [first.server];
    for (const host of hosts.slice(1)) servers.push((await listen(host, first.port)).server);
    const outcome = await connectLocalhost(first.port, { signal: never });
    assert.ok("socket" in outcome);
    assert.equal(await text(outcome.socket), answers);
    outcome.socket.end();
    for (const server of servers) server.close();
  });
}

test("a port that nobody listens on is an answer, not an exception", async () => {
  assert.deepEqual(await connectLocalhost(await unusedPort(), { signal: never }), { code: "ECONNREFUSED" });
});

test("with unread, not a byte is taken from the socket", async () => {
  const { server, port } = await listen("127.0.0.1");
  const gone = once(server, "connection").then(([socket]) => once(socket as Server, "finish"));
  const outcome = await connectLocalhost(port, { signal: never, unread: true });
  assert.ok("socket" in outcome);
  await gone;
  assert.equal(outcome.socket.bytesRead, 0);
  assert.equal(await text(outcome.socket), "127.0.0.1", "all is there for the one who reads");
  outcome.socket.end();
  server.close();
});

test("a signal that fires ends the attempt with its reason, also when it fired before", async () => {
  const { server, port } = await listen("127.0.0.1");
  const abort = new AbortController();
  const attempt = connectLocalhost(port, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(attempt, /enough/);
  await assert.rejects(connectLocalhost(port, { signal: abort.signal }), /enough/);
  server.close();
});
