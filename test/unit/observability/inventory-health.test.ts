import assert from "node:assert/strict";
import { test } from "node:test";
import { InventoryHealth } from "../../../src/observability/inventory-health.js";
import { ManualClock } from "../../support/manual-clock.js";

test("before Docker was listed it ages from the start on, and says so", async () => {
  const clock = new ManualClock();
  const health = new InventoryHealth(clock);
  await clock.advance(2500);
  assert.equal(health.ageSeconds, 2.5);
  assert.equal(health.reason, "Docker has not been listed yet");
  health.lost("nobody there");
  assert.equal(health.ageSeconds, 2.5);
  assert.equal(health.reason, "nobody there");
});

test("while the view is true its age is 0", async () => {
  const clock = new ManualClock();
  const health = new InventoryHealth(clock);
  health.completed();
  await clock.advance(60_000);
  assert.deepEqual([health.ageSeconds, health.reason, health.resyncs], [0, undefined, 0]);
});

test("it ages from the first loss on, however often Docker is tried, and each new list is a resync", async () => {
  const clock = new ManualClock();
  const health = new InventoryHealth(clock);
  health.completed();
  await clock.advance(60_000);
  health.lost("broken off");
  await clock.advance(1000);
  health.lost("refused");
  await clock.advance(1000);
  assert.deepEqual([health.ageSeconds, health.reason, health.resyncs], [2, "refused", 0]);
  health.completed();
  assert.deepEqual([health.ageSeconds, health.reason, health.resyncs], [0, undefined, 1]);
});
