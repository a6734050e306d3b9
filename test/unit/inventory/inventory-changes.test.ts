import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import { Inventory } from "../../../src/inventory/inventory.js";
import { containerInspect, fullId, recordingLog, sandboxId, sandboxInspect } from "../../support/builders.js";
import { ScriptedEngine, turns } from "../../support/scripted-engine.js";

const app = containerInspect({ Id: fullId("c0") });
const sidecar = containerInspect({ Id: fullId("c1") });
const pod = sandboxInspect({ Id: sandboxId });
const ended = { Running: false, Status: "exited", FinishedAt: "2024-05-01T11:00:00.000000000Z" };

/** An inventory that has looked at all there is. */
async function follow(t: TestContext, ...containers: ContainerInspect[]) {
  const engine = new ScriptedEngine(...containers);
  const told: string[] = [];
  const others: string[] = [];
  const inventory = new Inventory(engine, recordingLog(), {
    changed: ({ Id }, { kind }) => void told.push(`${kind} ${Id.slice(0, 2)}`),
    imagesChanged: () => void others.push("images"),
    networksChanged: () => void others.push("networks"),
  });
  t.after(() => inventory.close());
  inventory.start();
  const look = async () =>
    void (await Promise.all([inventory.list("container"), inventory.list("podsandbox")]));
  await look();
  return { engine, inventory, told, others, look };
}

test("of what was there at the start nothing is told", async (t) => {
  const { told, engine, look } = await follow(t, pod, app);
  assert.deepEqual(told, []);
  await engine.lose();
  await look();
  assert.deepEqual(told, []);
});

test("what happens is told once, however often Docker tells of it", async (t) => {
  const { told, engine, look } = await follow(t, pod, app);
  engine.change(app.Id, ended);
  for (let time = 0; time < 3; time++) await engine.tell("die", app.Id);
  await look();
  // A stream that is opened anew repeats the last seconds.
  await engine.lose();
  await look();
  await engine.tell("start", app.Id);
  await engine.tell("die", app.Id);
  await look();
  assert.deepEqual(told, ["stopped c0"]);
});

test("what happens while the event stream is lost is told afterwards", async (t) => {
  const { told, engine, look } = await follow(t, pod, app);
  engine.down = true;
  await engine.lose();
  engine.containers.delete(app.Id);
  engine.containers.set(sidecar.Id, sidecar);
  engine.change(pod.Id, ended);
  engine.down = false;
  await look();
  assert.deepEqual(told.sort(), ["created c1", "deleted c0", "started c1", "stopped 5a", "stopped c0"]);
});

test("a removal of ours is told at once, and not again when Docker tells of it", async (t) => {
  const { told, engine, inventory } = await follow(t, pod, app);
  engine.containers.delete(app.Id);
  inventory.forget(app.Id);
  assert.deepEqual(told, ["stopped c0", "deleted c0"]);
  await engine.tell("die", app.Id, app.Config.Labels);
  await engine.tell("destroy", app.Id, app.Config.Labels);
  await turns();
  assert.deepEqual(told, ["stopped c0", "deleted c0"]);
});

test("a change is looked at without anybody reading", async (t) => {
  const { told, engine } = await follow(t, pod, app);
  engine.change(app.Id, ended);
  await engine.tell("die", app.Id);
  const deadline = performance.now() + 5000;
  while (told.length === 0 && performance.now() < deadline) await turns();
  assert.deepEqual(told, ["stopped c0"]);
});

test("lists stay the same value until something changes", async (t) => {
  const { engine, inventory } = await follow(t, pod, app);
  const before = await inventory.list("container");
  assert.equal(await inventory.list("container"), before);
  await engine.tell("die", pod.Id);
  assert.equal(await inventory.list("container"), before);
  await engine.tell("die", app.Id);
  assert.notEqual(await inventory.list("container"), before);
});

test("lists begin with what was made last", async (t) => {
  const made = [3, 1, 2].map((minute) =>
    containerInspect({ Id: fullId(`c${minute}`), Created: `2024-05-01T10:0${minute}:00.000000000Z` }),
  );
  const { inventory } = await follow(t, ...made);
  assert.deepEqual(
    (await inventory.list("container")).map(({ Id }) => Id[1]),
    ["3", "2", "1"],
  );
});

test("a flood of events costs few looks, and after it everything is as it is", async (t) => {
  const many = Array.from({ length: 50 }, (_, index) => containerInspect({ Id: fullId(`e${100 + index}`) }));
  const { engine, inventory } = await follow(t, ...many);
  engine.calls.length = 0;
  for (let round = 0; round < 200; round++) {
    for (const { Id } of many) engine.push(round % 2 === 0 ? "pause" : "unpause", Id);
  }
  for (const { Id } of many) engine.change(Id, ended);
  for (const { Id } of many) engine.push("die", Id);
  await turns();
  const found = await inventory.list("container");
  assert.ok(found.every(({ State }) => !State.Running));
  assert.ok(engine.calls.length < 1000, `${engine.calls.length} looks for 10050 events`);
});

test("a container that cannot be looked at is not tried again and again while nobody asks", async (t) => {
  const { engine, inventory } = await follow(t, app, sidecar);
  engine.calls.length = 0;
  engine.down = true;
  await engine.tell("die", app.Id);
  engine.change(sidecar.Id, ended);
  // The background has gone on when it has come to what was told later.
  await engine.tell("die", sidecar.Id);
  engine.down = false;
  const [first, second] = [
    await inventory.get("container", app.Id),
    await inventory.get("container", sidecar.Id),
  ];
  assert.deepEqual([first.State.Running, second.State.Running], [true, false]);
  assert.ok(engine.looks(app.Id) <= 3, `${engine.looks(app.Id)} looks`);
});

for (const step of [-3_600_000, 3_600_000]) {
  test(`when the clock is set by ${step / 1000} seconds, events count as before`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_714_557_600_000 });
    const { engine, inventory, told, look } = await follow(t, pod, app);
    t.mock.timers.setTime(1_714_557_600_000 + step);
    engine.change(app.Id, ended);
    await engine.tell("die", app.Id);
    assert.equal((await inventory.get("container", app.Id)).State.Running, false);
    await engine.lose();
    engine.containers.set(sidecar.Id, sidecar);
    await look();
    await engine.tell("destroy", app.Id);
    assert.deepEqual(await inventory.find("container", app.Id), undefined);
    assert.deepEqual(told, ["stopped c0", "created c1", "started c1", "deleted c0"]);
  });
}

test("when an image gets another name, or a network goes, whoever keeps those is told", async (t) => {
  const { engine, others, told } = await follow(t, app);
  await engine.tellOf("image", "tag");
  await engine.tellOf("network", "destroy");
  assert.deepEqual(others, ["images", "networks"]);
  assert.deepEqual(told, []);
});
