import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { isKind } from "../../../src/errors.js";
import { StreamingServer, type Grant } from "../../../src/streaming/server.js";
import { deferred } from "../../../src/waiting.js";
import { recordingLog } from "../../support/builders.js";
import { ManualClock } from "../../support/manual-clock.js";
import { turns } from "../../support/scripted-engine.js";
import { selfSigned } from "../../support/self-signed.js";
import { ask, connectTo, echo, hear, spdy, startServer } from "./server-support.js";

const tls = selfSigned();

test("with a certificate streaming is https, for HTTP/1.1, which alone has upgrades", async (t) => {
  const { server } = await startServer(t, { tls });
  const url = server.url(echo("exec"));
  assert.match(url, /^https:\/\/127\.0\.0\.1:\d+\/exec\//);
  const { status, socket } = await ask(t, url, { headers: spdy, ca: tls.cert });
  assert.equal(status, 101);
  const big = "x".repeat(200_000);
  socket?.write(big);
  assert.equal(await hear(socket!, big.length), big);
  const chosen = connectTls({
    port: Number(new URL(url).port),
    host: "127.0.0.1",
    ca: tls.cert,
    ALPNProtocols: ["h2", "http/1.1"],
  });
  t.after(() => chosen.destroy());
  await once(chosen, "secureConnect");
  assert.equal(chosen.alpnProtocol, "http/1.1");
});

test("over https refusals have their bodies, too", async (t) => {
  const { server } = await startServer(t, { tls });
  const url = server.url(echo("exec"));
  const { status, body } = await ask(t, url, { ca: tls.cert });
  assert.deepEqual([status, body], [400, "an upgrade to SPDY/3.1 or websocket is needed\n"]);
  assert.equal((await ask(t, url, { headers: spdy, ca: tls.cert })).body, "404 page not found\n");
});

test("an address that is taken, or nobody's, is an error that names the flag", async (t) => {
  const { server } = await startServer(t);
  const port = Number(new URL(server.url(echo("exec"))).port);
  for (const [host, code] of [
    ["127.0.0.1", "EADDRINUSE"],
    ["192.0.2.1", "EADDRNOTAVAIL"],
  ] as const) {
    const second = new StreamingServer({ host, port }, new ManualClock(), recordingLog());
    await assert.rejects(second.start(), (error) => {
      assert.ok(isKind(error, "unavailable"));
      assert.match(error.message, /^cannot listen on --streaming-bind-addr /);
      assert.ok(error.message.includes(`${host}:${port}`) && error.message.includes(code), error.message);
      return true;
    });
    await second.close();
  }
});

for (const scheme of ["http", "https"])
  test(`closing ends every session over ${scheme}, and waits for what they leave behind`, async (t) => {
    const { server } = await startServer(t, scheme === "https" ? { tls } : {});
    const cleared = deferred();
    let ended = 0;
    const grant: Grant = {
      kind: "exec",
      about: {},
      serve: async ({ socket }) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
        await once(socket, "close");
        await cleared.promise;
        ended++;
      },
    };
    const answers = await Promise.all(
      [1, 2, 3].map(() => ask(t, server.url(grant), { headers: spdy, ca: tls.cert })),
    );
    const gone = answers.map(({ socket }) => once(socket!.resume(), "close"));
    const closed = server.close().then(() => assert.equal(ended, 3));
    await Promise.all(gone);
    await turns();
    cleared.resolve();
    await closed;
  });

for (const { title, options, said } of [
  { title: "has said nothing yet", options: {}, said: "" },
  { title: "has said half of a request", options: {}, said: "GET /exec/x HTTP/1.1\r\nHost: a\r\nConn" },
  { title: "has not begun with TLS", options: { tls }, said: "" },
  // The head of a ClientHello, of which 256 bytes should follow.
  { title: "is amid its TLS handshake", options: { tls }, said: "\x16\x03\x01\x01\x00\x01" },
]) {
  test(`closing does not wait for a client that ${title}`, async (t) => {
    const { server } = await startServer(t, options);
    const url = server.url(echo("exec"));
    const socket = await connectTo(t, url);
    const gone = once(socket.resume(), "close");
    socket.write(said, "latin1");
    // Whoever comes later is served: the server knows of the first one by then.
    await ask(t, url, { ca: tls.cert });
    await server.close();
    await gone;
  });
}

test("closing does not wait for a client that has its TLS connection and asks nothing", async (t) => {
  const { server } = await startServer(t, { tls });
  const port = Number(new URL(server.url(echo("exec"))).port);
  const client = connectTls({ port, host: "127.0.0.1", ca: tls.cert });
  t.after(() => client.destroy());
  await once(client, "secureConnect");
  const gone = once(client.on("error", () => undefined).resume(), "close");
  await server.close();
  await gone;
});

test("a closed server takes nobody in any more", async (t) => {
  const { server } = await startServer(t);
  const url = server.url(echo("exec"));
  await server.close();
  await assert.rejects(ask(t, url, { headers: spdy }), { code: "ECONNREFUSED" });
});

test("a server that was never started, or is closed already, can be closed", async (t) => {
  await new StreamingServer({ host: "127.0.0.1", port: 0 }, new ManualClock(), recordingLog()).close();
  const { server } = await startServer(t);
  await Promise.all([server.close(), server.close()]);
  await server.close();
});

test("a session that fails ends its own connection and is logged; the others go on", async (t) => {
  const { server, log } = await startServer(t);
  const failing: Grant = {
    kind: "attach",
    about: { containerId: "c2" },
    serve: ({ socket }) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
      throw new Error("a bug");
    },
  };
  const good = (await ask(t, server.url(echo("exec")), { headers: spdy })).socket!;
  const bad = (await ask(t, server.url(failing), { headers: spdy })).socket!;
  await once(bad.resume(), "close");
  good.write("still here");
  assert.equal(await hear(good, 10), "still here");
  const [line] = log.entries.filter(({ level }) => level === "warn");
  assert.equal(line?.event, "attach");
  assert.equal(line?.fields["containerId"], "c2");
  assert.match(String(line?.fields["error"]), /a bug/);
});

test("a session that has ended is logged with whose it was, and without the token", async (t) => {
  const { server, log } = await startServer(t);
  const url = server.url(echo("exec"));
  const { socket } = await ask(t, url, { headers: spdy });
  socket?.end();
  await once(socket!.resume(), "close");
  await turns();
  const [line] = log.entries;
  assert.deepEqual([line?.level, line?.event], ["info", "exec"]);
  assert.deepEqual([line?.fields["containerId"], line?.fields["transport"]], ["c1", "spdy"]);
  assert.ok(!JSON.stringify(log.entries).includes(url.split("/").at(-1)!));
});

test("clients that go inside their headers, or talk nonsense, disturb nobody", async (t) => {
  const { server } = await startServer(t);
  const url = server.url(echo("exec"));
  const { socket } = await ask(t, server.url(echo("exec")), { headers: spdy });
  const head = `POST ${new URL(url).pathname} HTTP/1.1\r\nHost: a\r\nUpgrade: SPDY/3.1\r\nConn`;
  for (const said of [head, "\0\x01\x02 nonsense\r\n\r\n"]) {
    const client = await connectTo(t, url);
    client.end(said);
    await once(client.resume(), "close");
  }
  const rude = await connectTo(t, url);
  rude.write(head);
  rude.resetAndDestroy();
  socket?.write("still here");
  assert.equal(await hear(socket!, 10), "still here");
  // The token in the half head was not used by it.
  assert.equal((await ask(t, url, { headers: spdy })).status, 101);
});

test("a client that resets the connection in the midst of a session disturbs nobody", async (t) => {
  const { server } = await startServer(t);
  const ended = deferred();
  const grant: Grant = {
    kind: "exec",
    about: {},
    serve: async ({ socket }) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n");
      await new Promise((resolve) => socket.resume().once("close", resolve));
      ended.resolve();
    },
  };
  const { socket } = await ask(t, server.url(grant), { headers: spdy });
  (socket as import("node:net").Socket).resetAndDestroy();
  await ended.promise;
  assert.equal((await ask(t, server.url(echo("exec")), { headers: spdy })).status, 101);
});
