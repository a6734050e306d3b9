import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PodDialer } from "../../../../src/streaming/pod-network/dialer.js";
import { ManualClock } from "../../../support/manual-clock.js";
import { fails, startHello } from "./expect.js";
import { makeProc, type FakeProc } from "./fake-proc.js";

let server: Awaited<ReturnType<typeof startHello>>;
let port: number;
before(async () => ({ port } = server = await startHello()));
after(() => server.close());

let proc: FakeProc;
let clock: ManualClock;
let dialer: PodDialer;
beforeEach(async () => {
  proc = await makeProc();
  await proc.add(7);
  await use(await proc.nsenter());
});
afterEach(async () => {
  await dialer.close();
  await proc.close();
});

/** Begins with another nsenter. */
async function use(nsenter: string): Promise<void> {
  await (dialer as PodDialer | undefined)?.close();
  clock = new ManualClock();
  dialer = new PodDialer({ clock, nsenter, proc: proc.directory });
}
const pod = { kind: "pod", pid: 7, key: "sandbox" } as const;

async function hello(target: Parameters<PodDialer["dial"]>[0] = pod): Promise<void> {
  const socket = await dialer.dial(target, port);
  assert.equal(await text(socket), "hello");
  socket.end();
}
const startedFor = async () => (await proc.entered()).map(({ network }) => network);
const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("one helper, in the network of the pod's process, serves all its dials", async () => {
  await Promise.all([hello(), hello(), hello()]);
  await hello();
  assert.deepEqual(await startedFor(), ["network of 7 started 1000"]);
});

test("each pod has a helper of its own, and the host none", async () => {
  await proc.add(8);
  await Promise.all([hello(), hello({ kind: "pod", pid: 8, key: "other" }), hello({ kind: "host" })]);
  assert.deepEqual((await startedFor()).sort(), ["network of 7 started 1000", "network of 8 started 1000"]);
});

test("ports that cannot be are invalid", async () => {
  for (const wrong of [0, -1, 65536, 1.5, NaN]) await fails(dialer.dial(pod, wrong), "invalid", /^port /);
});

test("without nsenter the error says what is missing", async () => {
  await use("/no/such/nsenter");
  await fails(dialer.dial(pod, port), "internal", /cannot run \/no\/such\/nsenter \(of util-linux\).*ENOENT/);
});

test("an nsenter that fails is quoted, and tried again by the next dial", async () => {
  await use(await proc.nsenter("echo 'nsenter: not permitted' >&2; exit 1"));
  await fails(dialer.dial(pod, port), "internal", /ended: nsenter: not permitted/);
  await proc.nsenter();
  await hello();
});

test("after 10 s without an answer a dial is given up", async () => {
  await use(await proc.nsenter("exec sleep 1000"));
  const late = fails(
    dialer.dial(pod, port),
    "deadline",
    /no connection to localhost:\d+ in the pod's.* 10 s/,
  );
  await clock.advance(10_000);
  await late;
});

test("a client that leaves cancels its dial, and only that", async () => {
  await use(await proc.nsenter("exec sleep 1000"));
  const abort = new AbortController();
  const mine = fails(dialer.dial(pod, port, abort.signal), "cancelled", /client cancelled/);
  const other = fails(dialer.dial(pod, port), "failedPrecondition", /pod has gone/);
  abort.abort();
  await mine;
  await fails(dialer.dial(pod, port, abort.signal), "cancelled", /client cancelled/);
  await dialer.release(pod.key);
  await other;
});

test("a pid that was given to another process is refused until the pod is released", async () => {
  await hello();
  const [helper] = await proc.entered();
  await proc.add(7, 2000);
  await fails(dialer.dial(pod, port), "failedPrecondition", /process 7 has gone/);
  await fails(dialer.dial(pod, port), "failedPrecondition", /process 7 has gone/);
  await dialer.release(pod.key);
  assert.ok(helper && !runs(helper.pid), "the helper went with its pod");
  await hello();
  assert.deepEqual(await startedFor(), ["network of 7 started 1000", "network of 7 started 2000"]);
});

test("a process that is gone takes the helper with it", async () => {
  await hello();
  await proc.remove(7);
  await fails(dialer.dial(pod, port), "failedPrecondition", /process 7 has gone/);
  await dialer.close();
  const [helper] = await proc.entered();
  assert.ok(helper && !runs(helper.pid));
});

test("a sandbox that was started again is entered anew", async () => {
  await hello();
  await proc.add(8, 2000);
  await hello({ ...pod, pid: 8 });
  assert.deepEqual(await startedFor(), ["network of 7 started 1000", "network of 8 started 2000"]);
});

test("a helper without dials for a minute is ended, and started again on demand", async () => {
  await hello();
  await clock.advance(59_000);
  await hello();
  assert.equal((await proc.entered()).length, 1);
  await clock.advance(59_999);
  const [helper] = await proc.entered();
  assert.ok(helper && runs(helper.pid));
  await clock.advance(1);
  while (runs(helper.pid)) await nextTurn();
  await hello();
  assert.equal((await proc.entered()).length, 2);
});

test("closing fails what waits and what comes, and leaves no helper", async () => {
  await use(await proc.nsenter("exec sleep 1000"));
  const waiting = fails(dialer.dial(pod, port), "cancelled", /server is closing/);
  await dialer.close();
  await waiting;
  await fails(dialer.dial(pod, port), "cancelled", /server is closing/);
  assert.equal(clock.sleeping, 0);
});
