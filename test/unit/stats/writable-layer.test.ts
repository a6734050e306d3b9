import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Clock } from "../../../src/clock.js";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import { CriError } from "../../../src/errors.js";
import { Counting } from "../../../src/stats/counting.js";
import { WritableLayers } from "../../../src/stats/writable-layer.js";
import { containerInspect, fullId, recordingLog } from "../../support/builders.js";
import { eventually } from "../../support/eventually.js";
import { ManualClock } from "../../support/manual-clock.js";

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "dockershim-layer."));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
const overlay = (start: string, UpperDir: string) =>
  containerInspect({ Id: fullId(start), GraphDriver: { Name: "overlay2", Data: { UpperDir } } });

function layersOf(t: TestContext, list: () => Promise<ContainerInspect[]>, clock: Clock) {
  const host = { facts: () => Promise.resolve({ rootDirectory: "/var/lib/docker" }) };
  const layers = new WritableLayers({ inventory: { list }, host, clock });
  const counting = new Counting({ counters: [layers], clock, log: recordingLog() });
  t.after(() => counting.close());
  counting.start();
  return Object.assign(layers, { close: () => counting.close() });
}
/** The first round is over when it waits for the next. */
const roundOver = (clock: ManualClock) =>
  eventually("a round is over", () => Promise.resolve(clock.sleeping === 1));

test("bytes and inodes are those of all files, a file with two names once, links not followed", async (t) => {
  const upper = folder(t);
  mkdirSync(join(upper, "a/b"), { recursive: true });
  writeFileSync(join(upper, "a/b/file"), Buffer.alloc(1024 * 1024, 1));
  linkSync(join(upper, "a/b/file"), join(upper, "a/second-name"));
  symlinkSync("/", join(upper, "a/root"));
  const clock = new ManualClock();
  const layers = layersOf(t, () => Promise.resolve([overlay("c1", upper)]), clock);
  assert.equal(layers.get(fullId("c1")), undefined);
  await roundOver(clock);
  const usage = layers.get(fullId("c1"));
  // The layer's own folder, a, b, the file and the link.
  assert.deepEqual(usage?.inodesUsed, { value: "5" });
  assert.deepEqual(usage?.fsId, { mountpoint: "/var/lib/docker" });
  const bytes = Number((usage?.usedBytes as { value: string }).value);
  assert.ok(bytes >= 1024 * 1024 && bytes < 2 * 1024 * 1024, String(bytes));
});

test("a minute later it is counted again; what is gone is forgotten", async (t) => {
  const [first, second] = [folder(t), folder(t)];
  const clock = new ManualClock();
  let all = [overlay("c1", first), overlay("c2", second)];
  const layers = layersOf(t, () => Promise.resolve(all), clock);
  await roundOver(clock);
  assert.deepEqual(layers.get(fullId("c1"))?.inodesUsed, { value: "1" });
  writeFileSync(join(first, "file"), "x");
  all = all.slice(0, 1);
  await clock.advance(60_000);
  await roundOver(clock);
  assert.deepEqual(layers.get(fullId("c1"))?.inodesUsed, { value: "2" });
  assert.equal(layers.get(fullId("c1"))?.timestamp, "60000000000");
  assert.equal(layers.get(fullId("c2")), undefined);
});

test("a driver that keeps no such folder, and a folder that is not there, give no numbers", async (t) => {
  const clock = new ManualClock();
  const found = [
    containerInspect({ Id: fullId("c1") }),
    containerInspect({ Id: fullId("c2"), GraphDriver: { Name: "btrfs", Data: null } }),
    overlay("c3", join(folder(t), "missing")),
    overlay("c4", folder(t)),
  ];
  const layers = layersOf(t, () => Promise.resolve(found), clock);
  await roundOver(clock);
  assert.deepEqual(
    found.map(({ Id }) => layers.get(Id) !== undefined),
    [false, false, false, true],
  );
});

test("a container that was just started is counted for the first who asks, if it has few files", async (t) => {
  const [few, many] = [folder(t), folder(t)];
  writeFileSync(join(few, "file"), "x");
  for (let index = 0; index < 600; index++) writeFileSync(join(many, String(index)), "");
  const found = [overlay("c1", few), overlay("c2", many)];
  const clock = new ManualClock();
  const layers = layersOf(t, () => new Promise(() => undefined), clock);
  const counted = await Promise.all(found.map((container) => layers.getSoon(container)));
  assert.deepEqual(
    counted.map((usage) => usage?.inodesUsed),
    [{ value: "2" }, undefined],
  );
  // The second is left to the background from now on, however few files it has.
  for (let index = 0; index < 600; index++) rmSync(join(many, String(index)));
  assert.equal(await layers.getSoon(overlay("c2", many)), undefined);
});

test("while Docker is away the last numbers stay, and the next round finds it again", async (t) => {
  const upper = folder(t);
  const clock = new ManualClock();
  let away = true;
  const list = () =>
    away ? Promise.reject(new CriError("unavailable", "no Docker")) : Promise.resolve([overlay("c1", upper)]);
  const layers = layersOf(t, list, clock);
  for (const now of [true, false, true]) {
    away = now;
    await clock.advance(60_000);
    await roundOver(clock);
  }
  assert.notEqual(layers.get(fullId("c1")), undefined);
});

test("the end does not wait for a Docker Engine that does not answer", async (t) => {
  const layers = layersOf(t, () => new Promise(() => undefined), new ManualClock());
  await layers.close();
  assert.equal(layers.get(fullId("c1")), undefined);
});

test("a long wait for Docker is no work to rest from", async (t) => {
  const upper = folder(t);
  const clock = new ManualClock();
  const list = async () => {
    await clock.sleep(5000);
    return [overlay("c1", upper)];
  };
  const layers = layersOf(t, list, clock);
  await clock.advance(5000);
  await eventually("it is counted", () => Promise.resolve(layers.get(fullId("c1")) !== undefined));
});

test("counting takes a tenth of the time: it rests nine times as long as it works", async (t) => {
  const upper = folder(t);
  for (let index = 0; index < 200; index++) writeFileSync(join(upper, String(index)), "");
  let now = 0n;
  let [rested, rounds] = [0, 0];
  // Every look at this clock takes 10 ms.
  const clock: Clock = {
    now: () => (now += 10_000_000n),
    sleep: (ms, signal) => {
      if (ms !== 60_000) {
        rested += ms;
        return Promise.resolve();
      }
      rounds++;
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("closed"))));
    },
  };
  layersOf(t, () => Promise.resolve([overlay("c1", upper)]), clock);
  await eventually("the round is over", () => Promise.resolve(rounds === 1));
  const worked = Number(now / 1_000_000n);
  assert.ok(rested >= worked * 4 && rested <= worked * 9, `${rested} ms of rest, ${worked} ms of work`);
});
