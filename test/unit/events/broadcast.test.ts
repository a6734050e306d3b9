import assert from "node:assert/strict";
import { test } from "node:test";
import { Broadcast } from "../../../src/events/broadcast.js";

const take = async <T>(source: AsyncIterable<T>, count: number): Promise<T[]> => {
  const taken: T[] = [];
  for await (const value of source) if (taken.push(value) === count) break;
  return taken;
};
const never = new AbortController().signal;

test("every subscriber gets everything since it subscribed, in order", async () => {
  const broadcast = new Broadcast<number>(10);
  broadcast.publish(0);
  const first = broadcast.subscribe(never);
  broadcast.publish(1);
  const second = broadcast.subscribe(never);
  broadcast.publish(2);
  broadcast.publish(3);
  assert.deepEqual(await Promise.all([take(first, 3), take(second, 2)]), [
    [1, 2, 3],
    [2, 3],
  ]);
});

test("a subscriber that has nothing waiting gets what comes next", async () => {
  const broadcast = new Broadcast<number>(10);
  const next = broadcast.subscribe(never).next();
  broadcast.publish(1);
  assert.deepEqual(await next, { done: false, value: 1 });
});

test("a subscriber that leaves too much waiting is told so at once, and no other suffers", async () => {
  const broadcast = new Broadcast<number>(3);
  const slow = broadcast.subscribe(never);
  const quick = broadcast.subscribe(never);
  for (let value = 0; value < 4; value++) {
    broadcast.publish(value);
    assert.equal((await quick.next()).value, value);
  }
  await assert.rejects(slow.next(), { kind: "exhausted", message: /3 events waiting/ });
  broadcast.publish(4);
  assert.equal((await quick.next()).value, 4);
});

test("a subscriber whose signal fires is ended with its reason, and nothing is kept for it", async () => {
  const broadcast = new Broadcast<number>(3);
  const leaving = new AbortController();
  const waiting = broadcast.subscribe(leaving.signal).next();
  leaving.abort(new Error("gone"));
  await assert.rejects(waiting, { message: "gone" });
  assert.equal(broadcast.hasSubscribers, false);
});

test("a signal that has fired before ends the subscription at once", async () => {
  const broadcast = new Broadcast<number>(3);
  const subscription = broadcast.subscribe(AbortSignal.abort(new Error("gone")));
  assert.equal(broadcast.hasSubscribers, false);
  await assert.rejects(subscription.next(), { message: "gone" });
});

test("a subscriber that stops reading is forgotten", async () => {
  const broadcast = new Broadcast<number>(3);
  const subscription = broadcast.subscribe(never);
  broadcast.publish(1);
  await take(subscription, 1);
  assert.equal(broadcast.hasSubscribers, false);
});

test("a failure ends all subscriptions, and later ones are not harmed", async () => {
  const broadcast = new Broadcast<number>(3);
  const subscriptions = [broadcast.subscribe(never), broadcast.subscribe(never)];
  broadcast.publish(1);
  broadcast.fail(new Error("lost"));
  for (const subscription of subscriptions) await assert.rejects(subscription.next(), { message: "lost" });
  const later = broadcast.subscribe(never);
  broadcast.publish(2);
  assert.equal((await later.next()).value, 2);
});
