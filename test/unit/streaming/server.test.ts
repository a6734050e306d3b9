import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import type { StreamKind } from "../../../src/streaming/server.js";
import { refuses } from "../../support/assertions.js";
import { ask, connectTo, echo, hear, spdy, startServer, webSocket } from "./server-support.js";

const kinds: StreamKind[] = ["exec", "attach", "portforward"];
const notFound = "404 page not found\n";
const noIpv6 = !Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

for (const kind of kinds) {
  for (const [transport, headers] of [
    ["spdy", spdy],
    ["websocket", webSocket],
  ] as const) {
    for (const method of ["GET", "POST"]) {
      test(`a URL for ${kind} lets one ${transport} client in, by ${method}`, async (t) => {
        const { server } = await startServer(t);
        const grant = echo(kind);
        const url = server.url(grant);
        assert.match(url, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/${kind}/[A-Za-z0-9_-]{22}$`));
        const { status, socket } = await ask(t, url, { method, headers });
        assert.equal(status, 101);
        socket?.write("hello");
        assert.equal(await hear(socket!, 5), "hello");
        assert.deepEqual(
          grant.served.map(({ transport, request }) => [transport, request.method]),
          [[transport, method]],
        );
        assert.equal((await ask(t, url, { headers })).status, 404);
      });
    }
  }
}

for (const path of [
  "/",
  "/exec",
  "/exec/",
  "/exec/unknown",
  "/exec/%00",
  "/exec/a/b",
  "//exec/a",
  "/logs/a",
  "/cri/exec/a",
  "/exec/../exec/a",
  "*",
]) {
  test(`${path} leads nowhere, with an upgrade or without`, async (t) => {
    const { server } = await startServer(t);
    const base = new URL(server.url(echo("exec")));
    for (const headers of [{}, spdy, webSocket]) {
      const socket = await connectTo(t, base.href);
      const lines = Object.entries({ Host: "any", "Content-Length": "0", ...headers });
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.end(`GET ${path} HTTP/1.1\r\n${head}\r\n`);
      const parts: Buffer[] = [];
      for await (const data of socket as AsyncIterable<Buffer>) parts.push(data);
      const answer = Buffer.concat(parts).toString();
      assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
      assert.ok(answer.includes(notFound), answer);
    }
  });
}

for (const issued of kinds) {
  for (const asked of kinds.filter((kind) => kind !== issued)) {
    test(`a token for ${issued} is not found at /${asked}/, and is used up by the try`, async (t) => {
      const { server } = await startServer(t);
      const grant = echo(issued);
      const url = server.url(grant);
      const wrong = url.replace(`/${issued}/`, `/${asked}/`);
      const { status, body, headers } = await ask(t, wrong, { headers: spdy });
      assert.deepEqual([status, body], [404, notFound]);
      assert.match(headers["content-type"] ?? "", /^text\/plain/);
      assert.equal((await ask(t, url, { headers: spdy })).status, 404);
      assert.deepEqual(grant.served, []);
    });
  }
}

for (const { title, method = "GET", headers, status, body } of [
  {
    title: "a request without an upgrade",
    headers: {},
    status: 400,
    body: /upgrade to SPDY\/3\.1 or websocket/,
  },
  {
    title: "a POST without an upgrade",
    method: "POST",
    headers: {},
    status: 400,
    body: /upgrade to SPDY\/3\.1 or websocket/,
  },
  {
    title: "an upgrade to something else",
    headers: { Connection: "Upgrade", Upgrade: "h2c" },
    status: 400,
    body: /upgrade to SPDY\/3\.1 or websocket/,
  },
  {
    title: "an Upgrade header alone",
    headers: { Upgrade: "SPDY/3.1" },
    status: 400,
    body: /upgrade to SPDY\/3\.1 or websocket/,
  },
  { title: "DELETE", method: "DELETE", headers: {}, status: 405, body: /only GET and POST/ },
  { title: "PUT with an upgrade", method: "PUT", headers: spdy, status: 405, body: /only GET and POST/ },
  { title: "OPTIONS with an upgrade", method: "OPTIONS", headers: webSocket, status: 405, body: /only GET/ },
]) {
  test(`${title} is answered ${status} and why, and uses the token up`, async (t) => {
    const { server } = await startServer(t);
    const grant = echo("exec");
    const url = server.url(grant);
    const answer = await ask(t, url, { method, headers });
    assert.equal(answer.status, status);
    assert.match(answer.body, body);
    assert.match(answer.headers["content-type"] ?? "", /^text\/plain/);
    assert.equal((await ask(t, url, { headers: spdy })).status, 404);
    assert.deepEqual(grant.served, []);
  });
}

test("methods are looked at after the token: without one it is 404 for all of them", async (t) => {
  const { server } = await startServer(t);
  const url = server.url(echo("exec")).replace(/[^/]+$/, "unknown");
  assert.equal((await ask(t, url, { method: "DELETE" })).status, 404);
});

test("of many that bring the same token at once one is let in", async (t) => {
  const { server } = await startServer(t);
  const grant = echo("attach");
  const url = server.url(grant);
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(t, url, { headers: spdy })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [101, ...Array<number>(9).fill(404)]);
  assert.equal(grant.served.length, 1);
});

test("a URL is good for a minute", async (t) => {
  const { server, clock } = await startServer(t);
  const [first, second] = [server.url(echo("exec")), server.url(echo("exec"))];
  await clock.advance(60_000);
  assert.equal((await ask(t, first, { headers: spdy })).status, 101);
  await clock.advance(1);
  assert.equal((await ask(t, second, { headers: spdy })).status, 404);
});

test("with 1000 URLs that nobody came to there is no other for now", async (t) => {
  const { server, clock } = await startServer(t);
  for (let count = 0; count < 1000; count++) server.url(echo("exec"));
  refuses(() => server.url(echo("attach")), "exhausted", "1000 streaming requests");
  await clock.advance(60_001);
  assert.match(server.url(echo("attach")), /\/attach\//);
});

test("a query and another Host do not matter: they are what the client asked a proxy for", async (t) => {
  const { server } = await startServer(t);
  const url = `${server.url(echo("exec"))}?command=ls&tty=1`;
  assert.equal((await ask(t, url, { headers: { ...spdy, Host: "node.example:10250" } })).status, 101);
});

test("what a client sends right behind its headers is the beginning of the session", async (t) => {
  const { server } = await startServer(t);
  const url = new URL(server.url(echo("exec")));
  const socket = await connectTo(t, url.href);
  socket.end(
    `POST ${url.pathname} HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nfirst bytes`,
  );
  const parts: Buffer[] = [];
  for await (const data of socket as AsyncIterable<Buffer>) parts.push(data);
  assert.match(Buffer.concat(parts).toString(), /^HTTP\/1\.1 101 .*\r\n\r\nfirst bytes$/s);
});

for (const { host, want, needs6 } of [
  { host: "127.0.0.1", want: "127.0.0.1", needs6: false },
  { host: "::1", want: "[::1]", needs6: true },
  { host: "0.0.0.0", want: "127.0.0.1", needs6: false },
  { host: "::", want: "[::1]", needs6: true },
  { host: "localhost", want: "", needs6: false },
]) {
  const skip = needs6 && noIpv6 ? "there is no IPv6 here" : false;
  test(`bound to ${host} the URL names a host that can be dialled`, { skip }, async (t) => {
    const { server } = await startServer(t, { host });
    const url = server.url(echo("exec"));
    if (want) assert.equal(new URL(url).hostname, want);
    assert.equal((await ask(t, url, { headers: spdy })).status, 101);
  });
}
