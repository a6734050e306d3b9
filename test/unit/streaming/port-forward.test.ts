/** A connection's life: to a port of the pod, both ways, and to its end. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { CriError } from "../../../src/errors.js";
import { deferred } from "../../../src/waiting.js";
import { turns } from "../../support/scripted-engine.js";
import { dialForward, echo, openPair, outcome, startPod } from "./port-forward-support.js";

/** An orderly end: clients look at the error stream when the data has ended, and wait for its end. */
const orderly = ["error fin", "data fin"];

test("bytes go both ways, and the end of each direction by itself", async (t) => {
  const heard = deferred();
  let request = "";
  const pod = await startPod(t, {
    80: (socket) => {
      socket.on("data", (data) => (request += data.toString()));
      // The answer comes when the question is over.
      socket.on("end", () => {
        heard.resolve();
        socket.end("answer");
      });
    },
  });
  const { client } = await dialForward(t, pod);
  const pair = await openPair(client, 80, 0);
  await pair.data.write("quest");
  await pair.data.write("ion");
  await pair.data.fin();
  await heard.promise;
  assert.equal(request, "question");
  assert.deepEqual(await outcome(pair), { failure: "", data: "answer", ends: orderly });
  assert.deepEqual(client.faults, []);
});

test("a target that ends first still hears the client, to its end", async (t) => {
  const heard = deferred();
  let words = "";
  const pod = await startPod(t, {
    80: (socket) => {
      socket.end("bye");
      socket.on("data", (data) => (words += data.toString())).on("end", () => heard.resolve());
    },
  });
  const { client } = await dialForward(t, pod);
  const pair = await openPair(client, 80, 0);
  assert.deepEqual(await outcome(pair), { failure: "", data: "bye", ends: orderly });
  await pair.data.write("not ");
  await pair.data.write("yet");
  await pair.data.fin();
  await heard.promise;
  assert.equal(words, "not yet");
});

test("a target that ends first and reads slowly hears the client to its end, when both streams are over", async (t) => {
  const hold = deferred();
  const over = deferred();
  const heard: string[] = [];
  const target = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      heard.push(String(chunk));
      void hold.promise.then(() => done());
    },
    final: (done) => {
      heard.push("end");
      done();
      over.resolve();
    },
  });
  const { client } = await dialForward(t, { dial: () => Promise.resolve(target as Socket) });
  const pair = await openPair(client, 80, 0);
  target.push(null);
  await pair.data.ended;
  await pair.data.write("last words");
  await pair.data.fin();
  await client.ping();
  await turns();
  assert.deepEqual([heard, target.destroyed], [["last words"], false]);
  hold.resolve();
  await over.promise;
  assert.deepEqual(heard, ["last words", "end"]);
});

test("a target that speaks first is heard before the client has said anything", async (t) => {
  const pod = await startPod(t, { 22: (socket) => socket.write("SSH-2.0\r\n") });
  const { client } = await dialForward(t, pod);
  const { data } = await openPair(client, 22, 0);
  const greeting = await new Promise((resolve) => data.onData((bytes) => resolve(bytes.toString())));
  assert.equal(greeting, "SSH-2.0\r\n");
});

test("a refused connection is told on the error stream, before both streams end", async (t) => {
  const { client } = await dialForward(t, await startPod(t, {}));
  const pair = await openPair(client, 81, 0);
  assert.deepEqual(await outcome(pair), {
    failure: "error forwarding port 81 to the pod: connection refused on localhost:81",
    data: "",
    ends: orderly,
  });
});

test("what a client sends to a port that refuses it does not stop its other connections", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const refused = await openPair(client, 81, 0);
  await refused.data.write(Buffer.alloc(8 * 2 ** 20));
  const good = await openPair(client, 80, 1);
  await good.data.write("hello");
  await good.data.fin();
  assert.equal((await outcome(good)).data, "hello");
});

test("what a client sends to a target that has hung up does not stop its other connections", async (t) => {
  const pod = await startPod(t, {
    80: echo,
    82: (socket) => socket.once("data", () => socket.resetAndDestroy()),
  });
  const { client } = await dialForward(t, pod);
  const dead = await openPair(client, 82, 0);
  await dead.data.write("hello");
  await dead.data.ended;
  assert.equal((await dead.error.collect()).toString(), "");
  await dead.data.write(Buffer.alloc(8 * 2 ** 20));
  const good = await openPair(client, 80, 1);
  await good.data.write("hello");
  await good.data.fin();
  assert.equal((await outcome(good)).data, "hello");
});

test("a target that breaks off is an end, not a failure, which would end the client's other connections", async (t) => {
  const pod = await startPod(t, {
    80: (socket) => socket.write("half of", () => socket.once("data", () => socket.resetAndDestroy())),
  });
  const { client } = await dialForward(t, pod);
  const pair = await openPair(client, 80, 0);
  const kept: string[] = [];
  await new Promise<void>((resolve) =>
    pair.data.onData((data) => {
      kept.push(data.toString());
      resolve();
    }),
  );
  await pair.data.write("go on");
  await pair.data.ended;
  assert.equal(kept.join(""), "half of");
  assert.deepEqual((await outcome(pair)).failure, "");
});

test("of a target that breaks off nothing is lost that was read, however slow the client", async (t) => {
  const target = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  target.on("error", () => undefined);
  const { client } = await dialForward(t, { dial: () => Promise.resolve(target as Socket) });
  const { error, data } = await openPair(client, 80, 0);
  client.pause();
  let sent = 0;
  // Until it waits for the client: then a piece stays in it.
  while (target.readableLength === 0) {
    target.push(Buffer.alloc(65_536));
    sent += 65_536;
    await turns();
  }
  target.push("the very last");
  sent += "the very last".length;
  const closed = new Promise((resolve) => target.once("close", resolve));
  target.destroy(new Error("read ECONNRESET"));
  await closed;
  client.resume();
  const bytes = await data.collect();
  assert.equal(bytes.length, sent);
  assert.ok(bytes.subarray(-13).equals(Buffer.from("the very last")));
  assert.equal(await error.ended, "fin");
});

test("a client that resets its stream has its target broken off", async (t) => {
  const gone = deferred();
  const pod = await startPod(t, { 80: (socket) => socket.resume().on("end", () => gone.resolve()) });
  const { client } = await dialForward(t, pod);
  const pair = await openPair(client, 80, 0);
  await client.ping();
  await pair.data.reset();
  await gone.promise;
  assert.equal((await pair.error.collect()).toString(), "");
  assert.equal(await pair.error.ended, "fin");
});

test("a client that resets its stream while it is being connected leaves no connection behind", async (t) => {
  const pod = await startPod(t, { 80: echo });
  const hold = deferred();
  const reached = deferred();
  const { client } = await dialForward(t, {
    dial: async (port, signal) => {
      reached.resolve();
      await hold.promise;
      return await pod.dial(port, signal);
    },
  });
  const pair = await openPair(client, 80, 0);
  await reached.promise;
  await pair.data.reset();
  await client.ping();
  hold.resolve();
  assert.equal(await pair.error.ended, "fin");
  const [dialled] = pod.dialled;
  if (!dialled!.socket.closed) await once(dialled!.socket, "close");
});

for (const how of ["leaves", "vanishes"] as const) {
  test(`when the client ${how} its targets are broken off, also those that are being connected`, async (t) => {
    const pod = await startPod(t, { 80: echo });
    const waiting = deferred();
    let aborted: AbortSignal | undefined;
    const { client, over } = await dialForward(t, {
      dial: (port, signal) => {
        if (port === 80) return pod.dial(port, signal);
        aborted = signal;
        waiting.resolve();
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as CriError)),
        );
      },
    });
    await openPair(client, 81, 0);
    const { data } = await openPair(client, 80, 1);
    await waiting.promise;
    const echoed = new Promise<void>((resolve) => data.onData(() => resolve()));
    await data.write("hello");
    await echoed;
    const gone = pod.dialled.map(({ socket }) => once(socket, "close"));
    if (how === "leaves") await client.leave();
    else client.connection.destroy();
    await over;
    await Promise.all(gone);
    assert.equal(gone.length, 1);
    assert.ok(aborted?.aborted);
  });
}

test("a session does not end with its connections, only with its client", async (t) => {
  const pod = await startPod(t, { 80: (socket) => socket.end("bye") });
  const { client, over } = await dialForward(t, pod);
  let ended = false;
  void over.then(() => (ended = true));
  for (const id of [0, 1]) assert.equal((await outcome(await openPair(client, 80, id))).data, "bye");
  await client.ping();
  assert.equal(ended, false);
  await client.leave();
  await over;
});

test("an idle session is ended, and what it is connected to", async (t) => {
  const pod = await startPod(t, { 80: echo });
  const { client, over } = await dialForward(t, { ...pod, idleTimeout: 50 });
  await openPair(client, 80, 0);
  await client.goaway;
  await over;
  for (const { socket } of pod.dialled) if (!socket.closed) await once(socket, "close");
});

test("200 connections at once have their own bytes, whole, each way", async (t) => {
  const warnings: Error[] = [];
  // The test's client has its own, of its socket.
  const warn = (warning: Error) => void (warning.message.includes("AbortSignal") && warnings.push(warning));
  process.on("warning", warn);
  t.after(() => process.off("warning", warn));
  const { client } = await dialForward(t, await startPod(t, { 80: echo, 81: echo }));
  const exchange = async (id: number): Promise<void> => {
    const pair = await openPair(client, 80 + (id % 2), id);
    const bytes = randomBytes(50_000 + id);
    const answer = pair.data.digest();
    await pair.data.write(bytes);
    await pair.data.fin();
    assert.equal((await answer).sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.equal((await pair.error.collect()).length, 0);
  };
  await Promise.all(Array.from({ length: 200 }, (_, id) => exchange(id)));
  assert.deepEqual(client.faults, []);
  assert.deepEqual(warnings.map(String), []);
});
