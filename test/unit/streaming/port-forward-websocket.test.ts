/** Port-forward over WebSocket: the ports of the RPC on channels, and SPDY in a tunnel. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { createWebSocketStream } from "ws";
import {
  dialForward,
  echo,
  openPair,
  outcome,
  startForward,
  startPod,
  type Servers,
} from "./port-forward-support.js";
import { SpdyClient } from "../../support/spdy-client.js";
import { dial, onChannel } from "./websocket/support.js";

const v4 = "v4.channel.k8s.io";

/** A client on the channels of ports, which were announced to it. */
async function dialChannels(t: TestContext, servers: Servers, ports: number[]) {
  const pod = await startPod(t, servers);
  const { url, over } = await startForward(t, "websocket", { ...pod, ports });
  const inbox = await dial(t, Number(new URL(url).port), [v4]);
  for (let count = 0; count < 2 * ports.length; count++) await inbox.next();
  return { inbox, over, pod };
}

test("each port has a connection of its own, made at once", async (t) => {
  const greet = (name: string) => (socket: import("node:net").Socket) => {
    socket.write(`${name} here`);
    socket.once("data", (data) => socket.end(`${name} heard ${data.toString()}`));
  };
  const { inbox, over } = await dialChannels(t, { 80: greet("a"), 81: greet("b") }, [80, 81]);
  assert.deepEqual([await inbox.nextText(), await inbox.nextText()].sort(), ["0:a here", "2:b here"]);
  inbox.webSocket.send(onChannel(0, "one"));
  assert.equal(await inbox.nextText(), "0:a heard one");
  inbox.webSocket.send(onChannel(2, "two"));
  assert.deepEqual(await inbox.rest(), ["2:b heard two"]);
  assert.equal((await inbox.closed).code, 1000);
  await over;
});

test("a port that refuses says why on its own error channel; the other goes on", async (t) => {
  const { inbox, over } = await dialChannels(t, { 80: echo }, [81, 80]);
  assert.equal(
    await inbox.nextText(),
    "1:error forwarding port 81 to the pod: connection refused on localhost:81",
  );
  inbox.webSocket.send(onChannel(0, "nobody hears"));
  inbox.webSocket.send(onChannel(2, "hello"));
  assert.equal(await inbox.nextText(), "2:hello");
  inbox.webSocket.close();
  await over;
});

test("without ports the session is over at once", async (t) => {
  const { inbox, over } = await dialChannels(t, {}, []);
  assert.equal((await inbox.closed).code, 1000);
  await over;
});

test("a client that vanishes has its targets broken off", async (t) => {
  const { inbox, over, pod } = await dialChannels(t, { 80: echo, 81: echo }, [80, 81]);
  for (const channel of [0, 2]) inbox.webSocket.send(onChannel(channel, "hello"));
  await inbox.next();
  await inbox.next();
  const gone = pod.dialled.map(({ socket }) => once(socket, "close"));
  inbox.webSocket.terminate();
  await over;
  assert.equal((await Promise.all(gone)).length, 2);
});

test("in a tunnel connections are those of SPDY", async (t) => {
  const { url, over } = await startForward(t, "websocket", await startPod(t, { 80: echo }));
  const { webSocket } = await dial(t, Number(new URL(url).port), ["v2.portforward.k8s.io"]);
  const client = new SpdyClient(createWebSocketStream(webSocket));
  const pair = await openPair(client, 80, 0);
  await pair.data.write("hello");
  await pair.data.fin();
  const ends = ["error fin", "data fin"];
  assert.deepEqual(await outcome(pair), { failure: "", data: "hello", ends });
  const refused = await outcome(await openPair(client, 81, 1));
  assert.match(refused.failure, /connection refused on localhost:81/);
  await client.leave();
  await over;
  assert.deepEqual(client.faults, []);
});

test("ports that the RPC named mean nothing to a SPDY client, which names its own", async (t) => {
  const pod = await startPod(t, { 80: echo });
  const { client } = await dialForward(t, { ...pod, ports: [81, 82] });
  const pair = await openPair(client, 80, 0);
  await pair.data.write("hello");
  await pair.data.fin();
  assert.equal((await outcome(pair)).data, "hello");
  assert.deepEqual(
    pod.dialled.map(({ port }) => port),
    [80],
  );
});
