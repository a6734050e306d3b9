/** What a client and the source of a streaming RPC see of each other. */
import assert from "node:assert/strict";
import { on, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { status, type ServiceError } from "@grpc/grpc-js";
import type { CallContext } from "../../src/cri/context.js";
import { Broadcast } from "../../src/events/broadcast.js";
import type { ContainerEventResponse } from "../../src/generated/runtime/v1/ContainerEventResponse.js";
import { CriError } from "../../src/errors.js";
import { serve, type Services } from "../../src/grpc/server.js";
import { unobserved } from "../../src/observer.js";
import { deferred } from "../../src/waiting.js";
import { recordingLog } from "../support/builders.js";
import { turns } from "../support/scripted-engine.js";
import { tableClient } from "../support/table-client.js";

type Source = (signal: AbortSignal) => AsyncIterable<ContainerEventResponse>;

/** A server whose GetContainerEvents is `source`, and one call of it by a client of its own. */
async function stream(t: TestContext, source: Source) {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-"));
  const path = join(directory, "cri.sock");
  const events = { GetContainerEvents: (_: unknown, { signal }: CallContext) => source(signal) };
  const log = recordingLog();
  const server = await serve(path, { RuntimeService: events, ImageService: {} } as unknown as Services, log, {
    rpcs: unobserved,
  });
  const client = tableClient("v1", `unix:${path}`);
  t.after(async () => {
    client.close();
    await server.close();
    await rm(directory, { recursive: true });
  });
  const call = client.stream("RuntimeService", "GetContainerEvents", {});
  return { call, server, log };
}

/** Too large for a client's window to take many of them. */
const event = (number: number): ContainerEventResponse => ({
  containerId: String(number),
  podSandboxStatus: { annotations: { note: "x".repeat(100_000) } },
});

test("a client gets every message, and the end", async (t) => {
  const { call } = await stream(t, async function* () {
    for (let number = 0; number < 50; number++) yield await Promise.resolve(event(number));
  });
  const ids: string[] = [];
  for await (const message of call) ids.push((message as { container_id: string }).container_id);
  assert.deepEqual(
    ids,
    Array.from({ length: 50 }, (_, number) => String(number)),
  );
});

test("for a client that does not read, a few messages are made and no more", async (t) => {
  let made = 0;
  const paused = deferred();
  const { call } = await stream(t, async function* () {
    for (;;) {
      yield await Promise.resolve(event(made++));
      if (made === 8) paused.resolve();
    }
  });
  call.pause();
  await paused.promise;
  // Time for many more, had nothing held them back.
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(made < 100, `${made} messages`);
  call.on("error", () => undefined);
  call.cancel();
});

test("a client that read too slowly learns it when it reads on", async (t) => {
  const broadcast = new Broadcast<ContainerEventResponse>(10);
  const subscribed = deferred();
  const { call } = await stream(t, (signal) => {
    const subscription = broadcast.subscribe(signal);
    subscribed.resolve();
    return subscription;
  });
  call.pause();
  const failed = once(call as Readable, "error");
  await subscribed.promise;
  for (let number = 0; broadcast.hasSubscribers; number++) {
    broadcast.publish(event(number));
    await new Promise((resolve) => setImmediate(resolve));
  }
  call.resume();
  const [error] = (await failed) as [ServiceError];
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  assert.match(error.details, /10 events waiting/);
});

test("when a client leaves, the source is told and let go", async (t) => {
  const left = deferred();
  const { call, log } = await stream(t, async function* (signal) {
    try {
      yield event(1);
      await once(signal, "abort");
      throw signal.reason;
    } finally {
      left.resolve();
    }
  });
  await once(call as Readable, "data");
  const cancelled = once(call as Readable, "error") as Promise<[ServiceError]>;
  call.cancel();
  await left.promise;
  assert.equal((await cancelled)[0].code, status.CANCELLED);
  await turns();
  const line = log.entries.find(({ event: name }) => name === "GetContainerEvents");
  assert.equal(line?.fields["code"], "CANCELLED");
});

test("an error of the source is the call's status, after all that came before it", async (t) => {
  const { call } = await stream(t, async function* () {
    yield await Promise.resolve(event(1));
    throw new CriError("notFound", "there is no more");
  });
  const ids: string[] = [];
  const read = async () => {
    for await (const [message] of on(call as Readable, "data", { close: ["end"] })) {
      ids.push((message as { container_id: string }).container_id);
    }
  };
  await assert.rejects(read(), { code: status.NOT_FOUND, details: "there is no more" });
  assert.deepEqual(ids, ["1"]);
});

test("a server that stops ends streams at once, and says why", async (t) => {
  const { call, server } = await stream(t, async function* (signal) {
    yield event(1);
    await once(signal, "abort");
  });
  await once(call as Readable, "data");
  const failed = once(call as Readable, "error") as Promise<[ServiceError]>;
  await server.close();
  const [error] = await failed;
  assert.deepEqual([error.code, /server is stopping/.test(error.details)], [status.UNAVAILABLE, true]);
});
