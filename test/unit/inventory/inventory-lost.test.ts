import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import { Inventory } from "../../../src/inventory/inventory.js";
import { deferred } from "../../../src/waiting.js";
import { containerInspect, fullId, recordingLog } from "../../support/builders.js";
import { ScriptedEngine, turns } from "../../support/scripted-engine.js";

const app = containerInspect({ Id: fullId("c0") });
const sidecar = containerInspect({ Id: fullId("c1") });
const job = containerInspect({ Id: fullId("c2") });

function follow(t: TestContext, ...containers: ContainerInspect[]) {
  const engine = new ScriptedEngine(...containers);
  const log = recordingLog();
  const lost = { times: 0 };
  const inventory = new Inventory(engine, log, { lost: () => void lost.times++ });
  t.after(() => inventory.close());
  return { engine, inventory, log, lost };
}
const idsOf = (found: readonly { Id: string }[]): string[] => found.map(({ Id }) => Id).sort();

test("while Docker cannot be reached, reads say so instead of telling old news", async (t) => {
  const { engine, inventory } = follow(t, app);
  inventory.start();
  await inventory.get("container", app.Id);
  engine.down = true;
  await engine.lose(new Error("connection reset"));
  for (const read of [
    () => inventory.list("container"),
    () => inventory.get("container", app.Id),
    () => inventory.find("container", app.Id),
    () => inventory.containersOf("x"),
    () => inventory.ready(),
  ]) {
    await assert.rejects(read(), { kind: "unavailable", message: "cannot reach the Docker Engine" });
  }
});

for (const [title, error] of [
  ["breaks", new Error("connection reset")],
  ["is ended by the daemon", undefined],
] as const) {
  test(`when the event stream ${title}, the next read waits for a new one and for a new list`, async (t) => {
    const { engine, inventory, lost } = follow(t, app, sidecar);
    inventory.start();
    await inventory.list("container");
    await engine.lose(error);
    // What happens while nobody listens is seen all the same.
    engine.containers.delete(app.Id);
    engine.change(sidecar.Id, { Running: false, Status: "exited" });
    engine.containers.set(job.Id, job);
    const found = await inventory.list("container");
    assert.deepEqual(idsOf(found), [sidecar.Id, job.Id]);
    assert.equal(found.find(({ Id }) => Id === sidecar.Id)?.State.Running, false);
    assert.deepEqual(
      engine.calls.filter((call) => !call.startsWith("inspect")),
      ["events", "list", "events", "list"],
    );
    assert.equal(lost.times, 1);
  });
}

test("after a loss the new stream's events count", async (t) => {
  const { engine, inventory } = follow(t, app);
  inventory.start();
  await inventory.ready();
  await engine.lose();
  await inventory.get("container", app.Id);
  engine.change(app.Id, { Running: false, Status: "exited" });
  await engine.tell("die", app.Id);
  assert.equal((await inventory.get("container", app.Id)).State.Running, false);
});

test("a server that starts before Docker says that Docker is away, and works once it is there", async (t) => {
  const { engine, inventory, log } = follow(t, app);
  engine.down = true;
  inventory.start();
  await assert.rejects(inventory.list("container"), { kind: "unavailable" });
  assert.deepEqual(
    log.entries.map(({ level }) => level),
    ["warn"],
  );
  engine.down = false;
  assert.deepEqual(idsOf(await inventory.list("container")), [app.Id]);
});

test("a Docker that comes back is noticed without anybody reading", async (t) => {
  const { engine, inventory } = follow(t, app);
  engine.down = true;
  inventory.start();
  await turns();
  engine.down = false;
  const deadline = performance.now() + 5000;
  while (!engine.calls.includes("list") && performance.now() < deadline) await turns();
  assert.ok(engine.calls.includes("list"));
});

test("a loss is logged once, however long Docker stays away", async (t) => {
  const { engine, inventory, log } = follow(t, app);
  inventory.start();
  await inventory.ready();
  engine.down = true;
  await engine.lose();
  for (let read = 0; read < 5; read++) await assert.rejects(inventory.ready(), { kind: "unavailable" });
  assert.equal(log.entries.filter(({ level }) => level === "warn").length, 1);
  engine.down = false;
  await inventory.ready();
  await engine.lose();
  assert.equal(log.entries.filter(({ level }) => level === "warn").length, 2);
});

test("a container that we make while the list is made anew is not taken for gone", async (t) => {
  const { engine, inventory } = follow(t, app);
  inventory.start();
  await inventory.ready();
  await engine.lose();
  const gate = deferred();
  engine.hold = gate.promise;
  // The first read asks for a new stream and, behind it, for a list.
  const waiting = inventory.ready();
  await turns();
  const listing = deferred();
  engine.hold = listing.promise;
  gate.resolve();
  await turns();
  assert.equal(engine.calls.at(-1), "list");
  engine.containers.set(sidecar.Id, sidecar);
  inventory.touch(sidecar.Id, "container");
  engine.hold = Promise.resolve();
  listing.resolve();
  await waiting;
  assert.equal((await inventory.find("container", sidecar.Id))?.Id, sidecar.Id);
});

test("a server that stops answers whoever still waits, and is not connected again", async (t) => {
  const { engine, inventory } = follow(t, app);
  engine.down = true;
  inventory.start();
  await assert.rejects(inventory.ready(), { kind: "unavailable" });
  await inventory.close();
  const asked = engine.calls.length;
  await assert.rejects(inventory.list("container"), { kind: "unavailable" });
  await turns();
  assert.equal(engine.calls.length, asked);
});
