import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Inventory } from "../../../src/inventory/inventory.js";
import { deferred } from "../../../src/waiting.js";
import { containerInspect, fullId, recordingLog, sandboxId, sandboxInspect } from "../../support/builders.js";
import { ScriptedEngine, turns } from "../../support/scripted-engine.js";

const app = containerInspect({ Id: fullId("c0") });
const sidecar = containerInspect({ Id: fullId("c1") });
const pod = sandboxInspect({ Id: sandboxId });
const stopped = { Running: false, Status: "exited" };

/** An inventory over these containers that is followed until the test ends. */
function follow(t: TestContext, ...containers: Parameters<typeof sandboxInspect>[0][]) {
  const engine = new ScriptedEngine(...(containers as (typeof pod)[]));
  const log = recordingLog();
  const gone: [string, string][] = [];
  const inventory = new Inventory(engine, log, { gone: (...what) => void gone.push(what) });
  t.after(() => inventory.close());
  inventory.start();
  return { engine, inventory, log, gone };
}
/** The same, when all has been looked at for the first time. */
async function followed(t: TestContext, ...containers: Parameters<typeof follow>[1][]) {
  const followed = follow(t, ...containers);
  await Promise.all([followed.inventory.list("container"), followed.inventory.list("podsandbox")]);
  return followed;
}
const idsOf = (found: readonly { Id: string }[]): string[] => found.map(({ Id }) => Id).sort();

test("pods and containers are told apart, and others' containers are not listed", async (t) => {
  const foreign = { ...containerInspect({ Id: fullId("f0") }) };
  foreign.Config = { ...foreign.Config, Labels: { "io.kubernetes.docker.type": "other" } };
  const { inventory } = follow(t, pod, app, sidecar, foreign);
  assert.deepEqual(idsOf(await inventory.list("podsandbox")), [pod.Id]);
  assert.deepEqual(idsOf(await inventory.list("container")), [app.Id, sidecar.Id]);
});

test("a pod's containers are those that name it", async (t) => {
  const other = containerInspect({
    Id: fullId("c2"),
    Config: { Labels: { "io.kubernetes.sandbox.id": fullId("5b") } },
  });
  const { inventory } = follow(t, pod, app, other);
  assert.deepEqual(idsOf(await inventory.containersOf(sandboxId)), [app.Id]);
  assert.deepEqual(await inventory.containersOf(fullId("99")), []);
});

test("a read that comes before the first list is complete waits for it", async (t) => {
  const { engine, inventory } = follow(t, app);
  const gate = deferred();
  engine.hold = gate.promise;
  let answered = false;
  const read = inventory.list("container").finally(() => (answered = true));
  await turns();
  assert.equal(answered, false);
  gate.resolve();
  assert.deepEqual(idsOf(await read), [app.Id]);
});

test("the events are followed before the list is made, so that nothing falls between", async (t) => {
  const { engine, inventory } = follow(t);
  await inventory.ready();
  assert.deepEqual(engine.calls, ["events", "list"]);
});

test("as long as nothing happens, reads do not ask Docker again", async (t) => {
  const { engine, inventory } = follow(t, app);
  for (let read = 0; read < 3; read++) await inventory.get("container", app.Id);
  await inventory.list("container");
  assert.equal(engine.looks(app.Id), 1);
});

test("readers at the same time share one look", async (t) => {
  const { engine, inventory } = follow(t, app);
  await inventory.ready();
  await Promise.all([1, 2, 3].map(() => inventory.get("container", app.Id)));
  assert.equal(engine.looks(app.Id), 1);
});

test("a long list is looked at in parts", async (t) => {
  const many = Array.from({ length: 40 }, (_, index) => containerInspect({ Id: fullId(`e${100 + index}`) }));
  const { engine, inventory } = await followed(t, ...many);
  for (const { Id } of many) inventory.touch(Id, "container");
  engine.calls.length = 0;
  const gate = deferred();
  engine.hold = gate.promise;
  const read = inventory.list("container");
  await turns();
  assert.equal(engine.calls.filter((call) => call.startsWith("inspect")).length, 16);
  gate.resolve();
  assert.equal((await read).length, 40);
});

test("an own write is visible to the next read, before Docker tells of it", async (t) => {
  const { engine, inventory } = follow(t, app);
  await inventory.get("container", app.Id);
  engine.change(app.Id, stopped);
  assert.equal((await inventory.get("container", app.Id)).State.Running, true);
  inventory.touch(app.Id, "container");
  assert.equal((await inventory.get("container", app.Id)).State.Running, false);
});

test("an own new container is visible at once, and one that we removed is not", async (t) => {
  const { engine, inventory } = follow(t, app);
  await inventory.ready();
  engine.containers.set(sidecar.Id, sidecar);
  inventory.touch(sidecar.Id, "container");
  assert.deepEqual(idsOf(await inventory.list("container")), [app.Id, sidecar.Id]);
  engine.containers.delete(app.Id);
  inventory.forget(app.Id);
  assert.deepEqual(idsOf(await inventory.list("container")), [sidecar.Id]);
});

for (const action of ["start", "die", "oom", "pause", "unpause", "rename", "restart", "update"]) {
  test(`when Docker tells of a ${action}, the next read looks again`, async (t) => {
    const { engine, inventory } = follow(t, app, sidecar);
    await inventory.list("container");
    engine.change(app.Id, stopped);
    await engine.tell(action, app.Id);
    assert.equal((await inventory.get("container", app.Id)).State.Running, false);
    await inventory.list("container");
    assert.deepEqual([engine.looks(app.Id), engine.looks(sidecar.Id)], [2, 1]);
  });
}

test("a container that somebody else makes for a pod is found when Docker tells of it", async (t) => {
  const { engine, inventory } = follow(t);
  await inventory.ready();
  engine.containers.set(app.Id, app);
  await engine.tell("create", app.Id);
  assert.equal((await inventory.get("container", app.Id)).Id, app.Id);
});

test("an event of a container that is none of ours is ignored", async (t) => {
  const { engine, inventory } = follow(t);
  await inventory.ready();
  await engine.tell("create", fullId("f0"), { app: "postgres" });
  await engine.tell("destroy", fullId("f0"), { app: "postgres" });
  assert.deepEqual(await inventory.list("container"), []);
});

test("a container that Docker says is destroyed is gone, without another look", async (t) => {
  const { engine, inventory } = follow(t, app);
  await inventory.list("container");
  await engine.tell("destroy", app.Id);
  assert.deepEqual(await inventory.list("container"), []);
  await assert.rejects(inventory.get("container", app.Id), { kind: "notFound" });
  assert.equal(engine.looks(app.Id), 1);
});

test("whoever removes a container or a pod, its end is told", async (t) => {
  const { engine, inventory, gone } = follow(t, pod, app, sidecar);
  await inventory.ready();
  // Ours: Docker's word comes after it.
  inventory.forget(sidecar.Id);
  for (const { Id } of [pod, app, sidecar]) await engine.tell("destroy", Id);
  assert.deepEqual(gone, [
    [pod.Id, "podsandbox"],
    [app.Id, "container"],
    [sidecar.Id, "container"],
  ]);
});

test("a container that is destroyed while it is looked at is not shown as one that is there", async (t) => {
  const engine = new ScriptedEngine(app);
  const told: string[] = [];
  const inventory = new Inventory(engine, recordingLog(), {
    seen: () => Promise.resolve(void told.push("seen")),
    gone: () => void told.push("gone"),
  });
  t.after(() => inventory.close());
  inventory.start();
  await inventory.get("container", app.Id);
  const slow = deferred();
  engine.hold = slow.promise;
  await engine.tell("die", app.Id);
  const read = inventory.find("container", app.Id);
  await engine.tell("destroy", app.Id);
  slow.resolve();
  assert.equal(await read, undefined);
  await turns();
  assert.equal(engine.looks(app.Id), 2);
  assert.deepEqual(told, ["seen", "gone"]);
});

test("a container that Docker does not know any more is gone, though nobody told", async (t) => {
  const { engine, inventory } = await followed(t, app, sidecar);
  engine.containers.delete(app.Id);
  inventory.touch(app.Id, "container");
  assert.deepEqual(idsOf(await inventory.list("container")), [sidecar.Id]);
  assert.equal(await inventory.find("container", app.Id), undefined);
  assert.equal(engine.looks(app.Id), 2);
});

test("an event that comes while a look is under way causes another one for whoever reads after it", async (t) => {
  const { engine, inventory } = follow(t, app);
  await inventory.ready();
  const slow = deferred();
  engine.hold = slow.promise;
  const before = inventory.get("container", app.Id);
  await turns();
  engine.change(app.Id, stopped);
  await engine.tell("die", app.Id);
  engine.hold = Promise.resolve();
  assert.equal((await inventory.get("container", app.Id)).State.Running, false);
  slow.resolve();
  await before;
  // The older answer came last and must not be believed.
  assert.equal((await inventory.get("container", app.Id)).State.Running, false);
  assert.equal(engine.looks(app.Id), 2);
});

test("a container that is destroyed while it is looked at is not found", async (t) => {
  const { engine, inventory } = await followed(t, app);
  inventory.touch(app.Id, "container");
  const slow = deferred();
  engine.hold = slow.promise;
  const read = inventory.find("container", app.Id);
  await turns();
  await engine.tell("destroy", app.Id);
  slow.resolve();
  assert.equal(await read, undefined);
});

test("a look that fails is reported, and the next read looks again", async (t) => {
  const { engine, inventory } = await followed(t, app);
  engine.down = true;
  inventory.touch(app.Id, "container");
  await assert.rejects(inventory.get("container", app.Id), { kind: "unavailable" });
  engine.down = false;
  assert.equal((await inventory.get("container", app.Id)).Id, app.Id);
});

test("an id is found by its unique beginning, among its own kind only", async (t) => {
  const alike = sandboxInspect({ Id: fullId("c0a") });
  const { inventory } = follow(t, app, sidecar, alike);
  assert.equal((await inventory.get("container", "c0")).Id, app.Id);
  assert.equal((await inventory.get("podsandbox", "c0")).Id, alike.Id);
  assert.equal(await inventory.find("podsandbox", app.Id), undefined);
});

test("a beginning that several ids have is ambiguous, and that is said", async (t) => {
  const { inventory } = follow(t, app, sidecar);
  const message = 'id "c" is ambiguous: 2 containers begin so';
  await assert.rejects(inventory.get("container", "c"), { kind: "invalid", message });
  await assert.rejects(inventory.find("container", "c"), { kind: "invalid", message });
});

test("an id that is one container's whole id is never taken for another's beginning", async (t) => {
  const short = containerInspect({ Id: "c0ffee" });
  const { inventory } = follow(t, short, containerInspect({ Id: "c0ffee00" }));
  assert.equal((await inventory.get("container", "c0ffee")).Id, "c0ffee");
});

test("an unknown id is not found, and the message says of what", async (t) => {
  const { inventory } = follow(t, app);
  await assert.rejects(inventory.get("podsandbox", "77"), {
    kind: "notFound",
    message: 'no pod sandbox with id "77"',
  });
  assert.equal(await inventory.find("container", "77"), undefined);
  // An inner part of an id is no id.
  assert.equal(await inventory.find("container", "0".repeat(8)), undefined);
});
