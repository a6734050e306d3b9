import assert from "node:assert/strict";
import { test } from "node:test";
import { ContainerEvents } from "../../../src/events/container-events.js";
import { deferred } from "../../../src/waiting.js";
import { containerInspect, sandboxId, sandboxInspect } from "../../support/builders.js";
import { turns } from "../../support/scripted-engine.js";

const app = containerInspect();
const pod = sandboxInspect({ Id: sandboxId });
const never = new AbortController().signal;
const firstOf = (events: ContainerEvents) => events.subscribe(never)[Symbol.asyncIterator]();

test("an event names the container and what happened when, with its pod as it is by then", async () => {
  const asked: unknown[] = [];
  const events = new ContainerEvents({
    podOf: (...what) => {
      asked.push(what);
      return Promise.resolve({ podSandboxStatus: { id: sandboxId }, containersStatuses: [{ id: app.Id }] });
    },
  });
  const subscription = firstOf(events);
  events.changed(app, { kind: "stopped", at: 12n });
  assert.deepEqual((await subscription.next()).value, {
    containerId: app.Id,
    containerEventType: "CONTAINER_STOPPED_EVENT",
    createdAt: "12",
    podSandboxStatus: { id: sandboxId },
    containersStatuses: [{ id: app.Id }],
  });
  assert.deepEqual(asked, [[sandboxId, undefined]]);
});

test("of a sandbox that goes its last state is told", async () => {
  const asked: unknown[] = [];
  const events = new ContainerEvents({ podOf: (...what) => (asked.push(what), Promise.resolve({})) });
  const subscription = firstOf(events);
  events.changed(pod, { kind: "deleted", at: 1n });
  assert.equal((await subscription.next()).value?.containerId, pod.Id);
  assert.deepEqual(asked, [[pod.Id, pod]]);
});

test("a container that names no sandbox is told of without a pod", async () => {
  const { "io.kubernetes.sandbox.id": _, ...Labels } = app.Config.Labels;
  const events = new ContainerEvents({ podOf: () => Promise.reject(new Error("of which pod?")) });
  const subscription = firstOf(events);
  events.changed({ ...app, Config: { ...app.Config, Labels } }, { kind: "created", at: 1n });
  assert.equal((await subscription.next()).value?.podSandboxStatus, undefined);
});

test("events are told in their order, however long a pod takes to be looked at", async () => {
  const slow = deferred();
  const answers = [slow.promise, Promise.resolve()];
  const events = new ContainerEvents({ podOf: async () => (await answers.shift(), {}) });
  const subscription = firstOf(events);
  events.changed(app, { kind: "started", at: 1n });
  events.changed(app, { kind: "stopped", at: 2n });
  await turns();
  slow.resolve();
  assert.equal((await subscription.next()).value?.createdAt, "1");
  assert.equal((await subscription.next()).value?.createdAt, "2");
});

test("while nobody listens, no pod is looked at", async () => {
  let looks = 0;
  const events = new ContainerEvents({ podOf: () => (looks++, Promise.resolve({})) });
  events.changed(app, { kind: "started", at: 1n });
  await turns();
  assert.equal(looks, 0);
});

test("when an event cannot be told, the stream ends, so that the client lists anew", async () => {
  const events = new ContainerEvents({ podOf: () => Promise.reject(new Error("cannot reach Docker")) });
  const subscription = firstOf(events);
  events.changed(app, { kind: "started", at: 1n });
  await assert.rejects(subscription.next(), { kind: "unavailable", message: /cannot reach Docker/ });
});
