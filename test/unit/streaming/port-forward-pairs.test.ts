/** How a client's streams are taken for connections, and what is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dialSpdy, type ClientStream } from "../../support/spdy-client.js";
import { dialForward, echo, openPair, outcome, startForward, startPod } from "./port-forward-support.js";
import { isPending } from "./websocket/support.js";

const orderly = ["error fin", "data fin"];

/** The connection works: what is said comes back. */
async function works(pair: { error: ClientStream; data: ClientStream }): Promise<void> {
  await pair.data.write("hello");
  await pair.data.fin();
  assert.deepEqual(await outcome(pair), { failure: "", data: "hello", ends: orderly });
}

test("the streams of several requests may be opened in any order", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const open = (streamtype: string, requestid: string) => client.open({ streamtype, requestid, port: "80" });
  const data0 = await open("data", "0");
  const error1 = await open("error", "1");
  const error0 = await open("error", "0");
  const data1 = await open("data", "1");
  await works({ error: error1, data: data1 });
  await works({ error: error0, data: data0 });
});

test("without request ids a data stream belongs to the error stream just before it", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const pairs = [];
  for (let count = 0; count < 3; count++) {
    const error = await client.open({ streamtype: "error", port: "80" });
    pairs.push({ error, data: await client.open({ streamtype: "data", port: "80" }) });
  }
  for (const pair of pairs.reverse()) await works(pair);
});

test("a request id may be used again as soon as its two streams are there", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const first = await openPair(client, 80, 7);
  await works(await openPair(client, 80, 7));
  await works(first);
});

test("the port is that of the data stream", async (t) => {
  const pod = await startPod(t, { 80: echo, 81: (socket) => socket.end("wrong") });
  const { client } = await dialForward(t, pod);
  for (const [index, order] of [
    ["error", "data"],
    ["data", "error"],
  ].entries()) {
    const streams = new Map<string, ClientStream>();
    for (const streamtype of order) {
      const port = streamtype === "data" ? "80" : "81";
      streams.set(streamtype, await client.open({ streamtype, port, requestid: String(index) }));
    }
    await works({ error: streams.get("error")!, data: streams.get("data")! });
  }
});

for (const headers of [
  { streamtype: "data", requestid: "0" },
  ...["", "0", "65536", "-1", "8080x", "0x50", "1e3", "80.0", " 80", "080080"].map((port) => ({
    streamtype: "error",
    requestid: "0",
    port,
  })),
  { requestid: "0", port: "80" },
  ...["", "stdin", "Data", "errors"].map((streamtype) => ({ streamtype, requestid: "0", port: "80" })),
]) {
  test(`a stream with ${JSON.stringify(headers)} is refused, and takes no part in any pair`, async (t) => {
    const { client } = await dialForward(t, await startPod(t, { 80: echo }));
    await assert.rejects(client.open(headers), /refused with status 5/);
    await works(await openPair(client, 80, 0));
    assert.deepEqual(client.faults, []);
  });
}

test("ports at both ends of the range are dialled", async (t) => {
  const pod = await startPod(t, { 1: echo, 65535: echo });
  const { client } = await dialForward(t, pod);
  await works(await openPair(client, 1, 0));
  await works(await openPair(client, 65535, 1));
  assert.deepEqual(
    pod.dialled.map(({ port }) => port),
    [1, 65535],
  );
});

test("a second error stream of a request is refused, and the first says so", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const headers = { streamtype: "error", requestid: "0", port: "80" };
  const error = await client.open(headers);
  await assert.rejects(client.open(headers), /refused with status 5/);
  assert.equal(
    (await error.collect()).toString(),
    "error forwarding port 80: a second error stream for request 0",
  );
  assert.equal(await error.ended, "fin");
  await works(await openPair(client, 80, 1));
});

test("a second data stream of a request is refused, and the first goes on", async (t) => {
  const { client } = await dialForward(t, await startPod(t, { 80: echo }));
  const headers = { requestid: "0", port: "80" };
  const data = await client.open({ ...headers, streamtype: "data" });
  await assert.rejects(client.open({ ...headers, streamtype: "data" }), /refused with status 5/);
  const error = await client.open({ ...headers, streamtype: "error" });
  await works({ error, data });
});

test("an error stream that stays alone says so in time, and ends", async (t) => {
  const { client } = await dialForward(t, { ...(await startPod(t, {})), creationTimeout: 50 });
  const error = await client.open({ streamtype: "error", requestid: "0", port: "80" });
  assert.equal(
    (await error.collect()).toString(),
    "error forwarding: the client opened only one stream of request 0",
  );
  assert.equal(await error.ended, "fin");
});

test("a data stream that stays alone is reset in time, and its request id is free", async (t) => {
  const { client } = await dialForward(t, { ...(await startPod(t, { 80: echo })), creationTimeout: 1000 });
  const data = await client.open({ streamtype: "data", requestid: "0", port: "80" });
  assert.equal(await data.ended, "reset");
  await works(await openPair(client, 80, 0));
});

test("a pair that is complete has no limit in time", async (t) => {
  const { client } = await dialForward(t, { ...(await startPod(t, { 80: echo })), creationTimeout: 1000 });
  const early = await openPair(client, 80, 0);
  // The limit of what comes later is over: so would be that of what came before.
  const alone = await client.open({ streamtype: "data", requestid: "1", port: "80" });
  await alone.ended;
  await works(early);
});

test("a client that leaves with half a pair leaves nothing behind", async (t) => {
  const pod = await startPod(t, { 80: echo });
  const { client, over } = await dialForward(t, pod);
  await client.open({ streamtype: "error", requestid: "0", port: "80" });
  assert.ok(await isPending(over));
  await client.leave();
  await over;
  assert.deepEqual(pod.dialled, []);
});

test("a SPDY client that offers another protocol is told which one there is", async (t) => {
  const { url, over } = await startForward(t, "spdy", await startPod(t, {}));
  const answer = await dialSpdy(url, ["v4.channel.k8s.io"]);
  assert.equal(answer.status, 403);
  assert.equal(answer.headers["x-accepted-stream-protocol-versions"], "portforward.k8s.io");
  await over;
});
