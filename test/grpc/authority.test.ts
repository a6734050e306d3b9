import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { admitConnection } from "../../src/grpc/authority/admit.js";
import { literal } from "../unit/grpc/hpack-codec.js";
import * as h2 from "../unit/grpc/http2-frames.js";

const PATH = "/var/run/dockershim.sock";
const BIG = 3 * 1024 * 1024;
const LIMITS = { "grpc.max_receive_message_length": 8 * BIG, "grpc.max_send_message_length": 8 * BIG };
const REPLIES = 50;

const same = (bytes: Buffer): Buffer => bytes;
const method = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const service = {
  echo: { ...method, path: "/test.Echo/Echo", requestStream: false, responseStream: false },
  repeat: { ...method, path: "/test.Echo/Repeat", requestStream: false, responseStream: true },
};
const handlers: grpc.UntypedServiceImplementation = {
  echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
    callback(null, call.request);
  },
  repeat: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
    for (let reply = 0; reply < REPLIES; reply++) call.write(call.request);
    call.end();
  },
};

interface Served {
  readonly path: string;
  /** Each accepted socket, and what the grpc server got for it. */
  readonly accepted: net.Socket[];
  readonly injected: Duplex[];
  readonly abandon: (() => void)[];
}

/** A grpc server behind a unix socket, as the program has it. */
async function serve(t: TestContext, admit: typeof admitConnection = admitConnection): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "authority-"));
  const served: Served = { path: join(folder, "x.sock"), accepted: [], injected: [], abandon: [] };
  const server = new grpc.Server(LIMITS);
  server.addService(service, handlers);
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const listener = net.createServer((socket) => {
    served.accepted.push(socket);
    const inject = (connection: Duplex): void => {
      served.injected.push(connection);
      injector.injectConnection(connection);
    };
    served.abandon.push(admit(socket, inject));
  });
  listener.listen(served.path);
  await once(listener, "listening");
  t.after(async () => {
    listener.close();
    server.forceShutdown();
    for (const socket of served.accepted) socket.destroy();
    await rm(folder, { recursive: true });
  });
  return served;
}

/** Hands the socket on unseen: what the program would do without the code under test. */
const unseen: typeof admitConnection = (socket, inject) => {
  inject(socket);
  return () => {};
};

function session(t: TestContext, served: Served): http2.ClientHttp2Session {
  const client = http2.connect("http://localhost", { createConnection: () => net.connect(served.path) });
  // A server that owes an answer should fail a test, not hang it.
  const patience = setTimeout(() => client.destroy(new Error("no answer for too long")), 15_000);
  t.after(() => {
    clearTimeout(patience);
    client.destroy();
  });
  client.on("error", () => {});
  return client;
}

interface Reply {
  readonly status: string | undefined;
  readonly messages: Buffer[];
}

/** One gRPC call by hand, since a grpc client leaves no choice of header encoding or authority per call. */
async function call(
  client: http2.ClientHttp2Session,
  authority: string,
  message: Buffer,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Reply> {
  const stream = client.request({
    ":method": "POST",
    ":path": "/test.Echo/Echo",
    ":authority": authority,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const length = Buffer.alloc(5);
  length.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([length, message]));
  let status: string | undefined;
  stream.on("trailers", (trailers: http2.IncomingHttpHeaders) => (status = String(trailers["grpc-status"])));
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return { status, messages };
}

async function assertEchoes(
  client: http2.ClientHttp2Session,
  authority: string,
  message: Buffer,
): Promise<void> {
  const { status, messages } = await call(client, authority, message);
  assert.equal(status, "0");
  assert.equal(messages.length, 1);
  assert(messages[0]?.equals(message));
}

function big(fill: string): Buffer {
  return Buffer.alloc(BIG, fill);
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert(tries < 500, "nothing happened for too long");
    await sleep(10);
  }
}

/** Whether nothing of ours is left on a socket that is not handed on. */
async function assertForgotten(socket: net.Socket): Promise<void> {
  const events = ["data", "error", "close"];
  await until(() => socket.closed && events.every((event) => socket.listenerCount(event) === 0));
}

test("without admitConnection, a path authority is refused with PROTOCOL_ERROR", async (t) => {
  const client = session(t, await serve(t, unseen));
  await assert.rejects(call(client, PATH, Buffer.from("hello")), /NGHTTP2_PROTOCOL_ERROR/);
  await assertEchoes(client, "localhost", Buffer.from("hello"));
});

test("with admitConnection, a path authority is served", async (t) => {
  const served = await serve(t);
  await assertEchoes(session(t, served), PATH, Buffer.from("hello"));
  assert.equal(served.injected.length, 1);
  assert.notEqual(served.injected[0], served.accepted[0]);
});

test("for a valid authority the server gets the socket itself, and no listener is left on it", async (t) => {
  const before = await serve(t, unseen);
  await assertEchoes(session(t, before), "localhost", Buffer.from("hello"));
  const served = await serve(t);
  await assertEchoes(session(t, served), "localhost", Buffer.from("hello"));
  const [plain] = before.accepted;
  const [socket] = served.accepted;
  assert(plain && socket);
  assert.deepEqual(served.injected, [socket]);
  for (const event of ["data", "end", "error", "close"]) {
    assert.equal(socket.listenerCount(event), plain.listenerCount(event), event);
  }
});

for (const authority of ["localhost", PATH]) {
  test(`many requests on one connection are served for ${authority}, one after another`, async (t) => {
    const client = session(t, await serve(t));
    for (let request = 0; request < 200; request++) {
      await assertEchoes(client, authority, Buffer.from(`request ${request}`));
    }
  });

  test(`parallel streams are served for ${authority}`, async (t) => {
    const client = session(t, await serve(t));
    const messages = Array.from({ length: 100 }, (_, index) => Buffer.alloc(index * 997, `${index}/`));
    await Promise.all(messages.map((message) => assertEchoes(client, authority, message)));
  });

  test(`messages of 3 MiB pass both ways for ${authority}, from the first request on`, async (t) => {
    const client = session(t, await serve(t));
    await assertEchoes(client, authority, big("/:authority/"));
    await Promise.all(["a", "b", "c"].map((fill) => assertEchoes(client, authority, big(fill))));
  });

  test(`a server stream of 50 large replies arrives whole for ${authority}`, async (t) => {
    const client = session(t, await serve(t));
    const message = Buffer.alloc(100_000, "/");
    const { status, messages } = await call(client, authority, message, { ":path": "/test.Echo/Repeat" });
    assert.equal(status, "0");
    assert.equal(messages.length, REPLIES);
    assert(messages.every((each) => each.equals(message)));
  });

  test(`a first request whose headers take several frames is served for ${authority}`, async (t) => {
    const client = session(t, await serve(t));
    const headers = { "x-long": "/".repeat(40_000) };
    for (let request = 0; request < 3; request++) {
      assert.equal((await call(client, authority, Buffer.from("hello"), headers)).status, "0");
    }
  });

  test(`a grpc client with the authority ${authority} is served`, async (t) => {
    const served = await serve(t);
    const options = { ...LIMITS, "grpc.default_authority": authority };
    const client = new grpc.Client(`unix://${served.path}`, grpc.credentials.createInsecure(), options);
    t.after(() => client.close());
    for (const message of [Buffer.from("hello"), big("x"), Buffer.alloc(0)]) {
      const reply = await new Promise<Buffer | undefined>((resolve, reject) => {
        const { path } = service.echo;
        client.makeUnaryRequest(
          path,
          same,
          same,
          message,
          { deadline: Date.now() + 15_000 },
          (error, value) => (error ? reject(error) : resolve(value)),
        );
      });
      assert(reply?.equals(message));
    }
    const stream = client.makeServerStreamRequest(service.repeat.path, same, same, Buffer.from("again"));
    let replies = 0;
    for await (const reply of stream) {
      assert.equal(String(reply), "again");
      replies++;
    }
    assert.equal(replies, REPLIES);
    assert.equal(served.injected[0] === served.accepted[0], authority !== PATH);
  });

  test(`a client that waits for the server's SETTINGS before its first request is served for ${authority}`, async (t) => {
    const client = session(t, await serve(t));
    await once(client, "remoteSettings");
    await sleep(50);
    await assertEchoes(client, authority, Buffer.from("hello"));
  });

  test(`the server's end of a connection reaches the client for ${authority}`, async (t) => {
    const served = await serve(t);
    const client = session(t, served);
    await assertEchoes(client, authority, Buffer.from("hello"));
    served.injected[0]?.destroy();
    await until(() => client.destroyed);
  });

  test(`a socket that is destroyed takes the server's side with it for ${authority}`, async (t) => {
    const served = await serve(t);
    const client = session(t, served);
    await assertEchoes(client, authority, Buffer.from("hello"));
    served.accepted[0]?.destroy();
    await until(() => client.destroyed && served.injected[0]?.destroyed === true);
  });

  test(`a client that goes away in the middle of a large message is forgotten for ${authority}`, async (t) => {
    const served = await serve(t);
    for (let round = 0; round < 20; round++) {
      const client = session(t, served);
      await assertEchoes(client, authority, Buffer.from("hello"));
      const lost = call(client, authority, big("x")).catch(() => undefined);
      await sleep(round % 4);
      client.destroy();
      await lost;
    }
    await until(() => served.accepted.every((socket) => socket.destroyed));
    await until(() => served.injected.every((connection) => connection.destroyed));
  });
}

test("a client that sends PING before its first request gets its answer, and then is served", async (t) => {
  const client = session(t, await serve(t));
  await once(client, "connect");
  await new Promise<void>((resolve, reject) => client.ping((error) => (error ? reject(error) : resolve())));
  await assertEchoes(client, PATH, Buffer.from("hello"));
});

test("path and valid authorities are served side by side, each on its own connection", async (t) => {
  const served = await serve(t);
  const clients = ["localhost", PATH, "localhost", PATH].map((authority) => ({
    authority,
    client: session(t, served),
  }));
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      clients.map(({ authority, client }) =>
        assertEchoes(client, authority, Buffer.alloc(50_000, authority)),
      ),
    );
  }
});

test("a connection on which the authority changes is served when a path came first", async (t) => {
  const client = session(t, await serve(t));
  for (const authority of [PATH, "localhost", "/other/path.sock", PATH]) {
    await assertEchoes(client, authority, Buffer.from("hello"));
  }
});

const request = (authority: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x86]),
    ...[literal(4, "/test.Echo/Echo", "added"), literal(1, authority, "added", true)],
    ...[literal("content-type", "application/grpc", "added"), literal("te", "trailers", "added")],
  ]);
const opening = (authority: string): Buffer =>
  Buffer.concat([h2.PREFACE, h2.SETTINGS, h2.headers(1, request(authority))]);
const hello = h2.data(1, Buffer.from("\0\0\0\0\u0005hello"));

/** Connects, and gathers what the server sends. */
async function rawClient(
  t: TestContext,
  served: Served,
): Promise<{ socket: net.Socket; answer: () => string }> {
  const socket = net.connect(served.path);
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  await once(socket, "connect");
  return { socket, answer: () => answer };
}

for (const authority of ["localhost", PATH]) {
  test(`bytes that arrive one at a time are served for ${authority}`, async (t) => {
    const { socket, answer } = await rawClient(t, await serve(t));
    for (const octet of Buffer.concat([opening(authority), h2.SETTINGS_ACK, h2.SETTINGS_ACK, hello])) {
      socket.write(Buffer.from([octet]));
      await sleep(1);
    }
    await until(() => answer().includes("hello"));
  });

  test(`a client that never acknowledges SETTINGS is served for ${authority}, if later`, async (t) => {
    const { socket, answer } = await rawClient(t, await serve(t));
    socket.write(Buffer.concat([opening(authority), hello]));
    await until(() => answer().includes("hello"));
    await sleep(20);
    // Late acknowledgements, of both SETTINGS frames, are no error.
    socket.write(Buffer.concat([h2.SETTINGS_ACK, h2.SETTINGS_ACK, h2.PING]));
    const pong = h2.frame(0x6, 0x1, 0, Buffer.alloc(8, 0x2f)).toString("latin1");
    await until(() => answer().includes(pong));
  });
}

/** A connection that is rewritten, with a server's side that the test plays itself. */
async function rewritten(
  t: TestContext,
): Promise<{ client: net.Socket; socket: net.Socket; server: Duplex }> {
  const injected: Duplex[] = [];
  const served = await serve(t, (socket) =>
    admitConnection(socket, (connection) => injected.push(connection)),
  );
  const { socket: client } = await rawClient(t, served);
  client.write(opening(PATH));
  await until(() => injected.length === 1);
  const [[socket], [server]] = [served.accepted, injected];
  assert(socket && server && server !== socket);
  return { client, socket, server };
}

test("a client that sends faster than the server reads is made to wait, and loses nothing", async (t) => {
  const { client, socket, server } = await rewritten(t);
  const frames = Buffer.concat(Array.from({ length: 1_000 }, () => h2.data(1, Buffer.alloc(16_000, "/"))));
  let written = false;
  client.write(frames, () => (written = true));
  await sleep(200);
  assert(socket.bytesRead < 1024 * 1024, `${socket.bytesRead} octets read for nobody`);
  assert(!written);
  let received = 0;
  server.on("data", (chunk: Buffer) => (received += chunk.length));
  await until(() => received === opening(PATH).length + frames.length);
});

test("a server that writes faster than the client reads is made to wait, and loses nothing", async (t) => {
  const { client, server } = await rewritten(t);
  client.pause();
  const before = client.bytesRead;
  let written = 0;
  for (let chunk = 0; chunk < 100; chunk++) server.write(Buffer.alloc(100_000), () => (written += 100_000));
  assert(server.writableNeedDrain);
  await sleep(200);
  assert(written < 5_000_000, `${written} octets written to nobody`);
  client.resume();
  await until(() => written === 10_000_000 && client.bytesRead >= before + written);
});

test("a client's end reaches the server, and the server's end is no error after it", async (t) => {
  const { client, server } = await rewritten(t);
  const errors: Error[] = [];
  server.on("error", (error) => errors.push(error));
  client.end(h2.SETTINGS_ACK.subarray(0, 5));
  const chunks: Buffer[] = [];
  server.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(server, "end");
  const bytes = Buffer.concat(chunks);
  assert.deepEqual(bytes.subarray(-5), h2.SETTINGS_ACK.subarray(0, 5));
  assert.equal(bytes.length, opening(PATH).length + 5);
  server.end();
  await until(() => server.closed && client.closed);
  assert.deepEqual(errors, []);
});

test("a server's end reaches the client behind everything that was written", async (t) => {
  const { client, server } = await rewritten(t);
  const before = client.bytesRead;
  server.resume();
  for (let chunk = 0; chunk < 20; chunk++) server.write(Buffer.alloc(50_000));
  server.end();
  await until(() => client.closed && server.closed);
  assert.equal(client.bytesRead, before + 1_000_000);
});

test("an error of the socket reaches the server", async (t) => {
  const { socket, server } = await rewritten(t);
  const failure = once(server, "error");
  socket.destroy(new Error("read ECONNRESET"));
  assert.match(String(await failure), /ECONNRESET/);
  assert(server.destroyed);
});

/** A GOAWAY frame's header behind its length (RFC 7540 section 6.8). */
const GOAWAY = "\u0007\0\0\0\0\0";

const rubbish = [
  { title: "HTTP/1.1", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") },
  { title: "noise", bytes: Buffer.alloc(100_000, 0x99) },
  {
    title: "noise behind a preface",
    bytes: Buffer.concat([h2.PREFACE, h2.SETTINGS, Buffer.alloc(100_000, 0x99)]),
  },
  {
    title: "a bad header block",
    bytes: Buffer.concat([h2.PREFACE, h2.SETTINGS, h2.headers(1, Buffer.from([0x80]))]),
  },
];
for (const { title, bytes } of rubbish) {
  test(`a client that sends ${title} is turned away, and others do not notice`, async (t) => {
    const served = await serve(t);
    const { socket, answer } = await rawClient(t, served);
    socket.write(bytes);
    await assertEchoes(session(t, served), PATH, Buffer.from("hello"));
    await assertEchoes(session(t, served), "localhost", Buffer.from("hello"));
    // Node's server leaves the connection to the client once it has said GOAWAY.
    await until(() => socket.closed || answer().includes(GOAWAY));
  });
}

test("a flood of frames before the first request is handed on, not gathered", async (t) => {
  const served = await serve(t);
  const { socket } = await rawClient(t, served);
  const updates = Buffer.concat(
    Array.from({ length: 20_000 }, () => h2.frame(0x8, 0, 0, Buffer.from([0, 0, 0, 1]))),
  );
  socket.write(Buffer.concat([h2.PREFACE, h2.SETTINGS, updates]));
  await until(() => served.injected.length === 1);
});

test("a client that disappears at any point of its first request leaves nothing behind", async (t) => {
  const served = await serve(t);
  const bytes = opening(PATH);
  for (let cut = 0; cut < bytes.length; cut += 5) {
    const { socket } = await rawClient(t, served);
    if (cut > 0) socket.write(bytes.subarray(0, cut));
    await sleep(1);
    if (cut % 2 === 0) socket.destroy();
    else socket.end();
  }
  assert.equal(served.injected.length, 0);
  for (const socket of served.accepted) await assertForgotten(socket);
  await assertEchoes(session(t, served), PATH, Buffer.from("hello"));
});

test("a socket that fails before its first request is forgotten, and the error is nobody's", async (t) => {
  const served = await serve(t);
  await rawClient(t, served);
  await until(() => served.accepted.length === 1);
  const [socket] = served.accepted;
  assert(socket);
  socket.destroy(new Error("read ECONNRESET"));
  await assertForgotten(socket);
});

test("a server that stops can abandon who has not sent a request, and only them", async (t) => {
  const served = await serve(t);
  const client = session(t, served);
  await assertEchoes(client, PATH, Buffer.from("hello"));
  await rawClient(t, served);
  await until(() => served.accepted.length === 2);
  for (const abandon of served.abandon) abandon();
  const [busy, idle] = served.accepted;
  assert(busy && idle);
  await assertForgotten(idle);
  await assertEchoes(client, PATH, Buffer.from("still here"));
  assert(!busy.destroyed);
});
