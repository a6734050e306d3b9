/** The dialler on real network namespaces. No engine is needed, but root is. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PodDialer } from "../../src/streaming/pod-network/dialer.js";
import { echoed, fails, readToEnd, sha256, startHello } from "../unit/streaming/pod-network/expect.js";
import * as real from "../unit/streaming/pod-network/real-pod.js";

let pod: real.Pod;
/** A port that the pod's firewall makes silent. */
const shut = 2;
before(async () => {
  pod = await real.startPod();
  const drop = (port: number) => `-A INPUT -p tcp --dport ${port} -j DROP`;
  await real.runIn(pod, `iptables ${drop(shut)} && ip6tables ${drop(shut)}`);
  await real.runIn(pod, `iptables ${drop(pod.ports.shielded)}`);
});
after(() => real.endAll());

let dialer: PodDialer;
let key: string;
let count = 0;
beforeEach(() => {
  dialer = new PodDialer();
  key = `pod-network-${process.pid}-${++count}`;
});
afterEach(() => dialer.close());

const targetOf = ({ pid }: { pid: number }) => ({ kind: "pod", pid, key }) as const;
const dial = (port: number) => dialer.dial(targetOf(pod), port);
const many = <T>(length: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length }, (_, i) => make(i)));
const noHelper = async () => {
  while ((await real.helpersOf(key)).length > 0) await nextTurn();
};

const families = { v4: "127.0.0.1", v6: "::1", both: "127.0.0.1" } as const;
for (const server of ["v4", "v6", "both"] as const) {
  test(`localhost in the pod: a server on ${server} is reached at ${families[server]}`, async () => {
    const socket = await dial(pod.ports[server]);
    assert.equal(String(await readToEnd(socket)), `${families[server]} ${socket.localPort}`);
    socket.end();
  });
}

test("a server that speaks first is heard, by 500 at once and by one helper", async () => {
  const sockets = await many(500, () => dial(pod.ports.greets));
  for (const socket of sockets) {
    const [data] = (await once(socket, "data")) as [Buffer];
    assert.equal(String(data), "welcome");
    socket.destroy();
  }
  assert.equal((await real.helpersOf(key)).length, 1);
});

test("all is there of what a server sends that ends at once, for 100 at once", async () => {
  const sockets = await many(100, () => dial(pod.ports.hasty));
  for (const socket of sockets) {
    assert.equal((await readToEnd(socket)).length, 256 * 1024);
    socket.end();
  }
});

test("a server that resets at once is a failed dial or a failed connection, and crashes nobody", async () => {
  await many(50, async () => {
    const socket = await dial(pod.ports.resets).catch((error: Error) => error);
    if (socket instanceof Error) {
      assert.match(socket.message, /^cannot connect .*: ECONNRESET$/);
      return;
    }
    await new Promise((resolve) => socket.resume().once("close", resolve));
    assert.match(String(socket.errored), /ECONNRESET/);
  });
  (await dial(pod.ports.v4)).destroy();
});

test("a client that has ended its side gets 1 MiB of reply", async () => {
  const socket = await dial(pod.ports.answersLate);
  const question = randomBytes(300_000);
  socket.end(question);
  const reply = await readToEnd(socket);
  assert.equal(reply.subarray(0, 64).toString(), sha256(question));
  assert.equal(reply.subarray(64, 128).toString(), sha256(reply.subarray(128)));
  assert.equal(reply.length, 128 + 1024 * 1024);
});

test("a server that has ended its side still hears", async () => {
  const socket = await dial(pod.ports.endsFirst);
  assert.equal(String(await readToEnd(socket)), "bye");
  socket.end("late words");
  assert.equal(String(await readToEnd((await dial(pod.ports.tells)).end())), "late words");
});

test("64 connections at once, 4 MiB each both ways, arrive as they were sent", async () => {
  await many(64, async () => {
    const socket = await dial(pod.ports.echo);
    const sent = randomBytes(4 * 1024 * 1024);
    socket.end(sent);
    assert.equal(sha256(await readToEnd(socket)), sha256(sent));
  });
});

test("each of many dials gets its own port, and one that nobody listens on is refused", async () => {
  const ports = [pod.ports.v4, 1, pod.ports.v6, pod.ports.echo];
  await many(100, async (i) => {
    const port = ports[i % ports.length] ?? 0;
    if (port === 1) {
      return fails(dial(1), "failedPrecondition", /^connection refused on localhost:1 in the pod's network$/);
    }
    const socket = await dial(port);
    assert.equal(socket.remotePort, port);
    socket.destroy();
  });
});

test("a connection that would meet itself is refused", async () => {
  const pause = await real.startPause();
  // The only port that the kernel can give to the client is the one it wants to reach.
  await real.runIn(pause, "echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range");
  const meeting = dialer.dial(targetOf(pause), 40000);
  await fails(meeting, "failedPrecondition", /^connection refused on localhost:40000/);
});

test("behind a firewall the open address is found; with both shut the limit or the client ends it", async () => {
  const socket = await dial(pod.ports.shielded);
  assert.equal(String(await readToEnd(socket)), `::1 ${socket.localPort}`);
  socket.end();
  const impatient = new PodDialer({ dialMs: 1000 });
  const late = impatient.dial(targetOf(pod), shut);
  await fails(late, "deadline", /^no connection to localhost:2 in the pod's network within 1 s$/);
  await impatient.close();
  const abort = new AbortController();
  const left = fails(dialer.dial(targetOf(pod), shut, abort.signal), "cancelled", /client/);
  (await dial(pod.ports.v4)).destroy();
  abort.abort();
  await left;
});

test("a helper that is killed fails what waits for it, but no connection; the next dial has a new one", async () => {
  const socket = await dial(pod.ports.echo);
  const before = await real.helpersOf(key);
  const waiting = fails(dial(shut), "internal", /helper in the pod's network ended: SIGKILL/);
  for (const pid of before) process.kill(pid, "SIGKILL");
  await waiting;
  assert.equal(await echoed(socket, "still here"), "still here");
  const next = await dial(pod.ports.echo);
  assert.equal(await echoed(next, "and again"), "and again");
  assert.notDeepEqual(await real.helpersOf(key), before);
  socket.destroy();
  next.destroy();
});

test("release ends the helper; connections live on", async () => {
  const socket = await dial(pod.ports.echo);
  await dialer.release(key);
  assert.deepEqual(await real.helpersOf(key), []);
  assert.equal(await echoed(socket, "hello"), "hello");
  socket.destroy();
});

test("a server of ours that is killed leaves no helper, also one that is at work", async () => {
  const dialerFile = import.meta.resolve("../../src/streaming/pod-network/dialer.js");
  const code = `import { PodDialer } from "${dialerFile}";
    const dialer = new PodDialer(), target = ${JSON.stringify(targetOf(pod))};
    await dialer.dial(target, ${pod.ports.echo});
    void dialer.dial(target, ${shut});
    await dialer.dial(target, ${pod.ports.echo});
    console.log("connected, and waiting");`;
  const flags = [...process.execArgv, "--input-type=module", "--eval", code];
  const server = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  assert.equal(await real.firstLine(server), "connected, and waiting");
  assert.equal((await real.helpersOf(key)).length, 1);
  server.kill("SIGKILL");
  await noHelper();
});

test("the host's network is dialled directly", async () => {
  const { port, close } = await startHello();
  const socket = await dialer.dial({ kind: "host" }, port);
  assert.equal(String(await readToEnd(socket)), "hello");
  socket.end();
  await close();
  await fails(dialer.dial({ kind: "host" }, port), "failedPrecondition", /^connection refused .* the host's/);
});

for (const shared of [false, true]) {
  test(`a pid that ${shared ? "a process of the host" : "another pod"} has now is refused`, async () => {
    const first = await real.startPod();
    const target = targetOf(first);
    (await dialer.dial(target, first.ports.v4)).destroy();
    await first.end();
    await real.startPauseAs(first.pid, { shared });
    await fails(dialer.dial(target, first.ports.v4), "failedPrecondition", /has gone|in the host's/);
    await noHelper();
  });
}
