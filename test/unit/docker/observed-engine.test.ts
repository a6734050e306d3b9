import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { observedEngine, type DockerCall } from "../../../src/docker/observed-engine.js";
import { CriError } from "../../../src/errors.js";
import { FakeEngine } from "../../support/fake-engine.js";
import { recordingObserver } from "../../support/recording-observer.js";

function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "dockershim-observed."));
  t.after(() => rmSync(directory, { recursive: true }));
  const fake = new FakeEngine(directory);
  const { observer, told } = recordingObserver<DockerCall>();
  return { fake, engine: observedEngine(fake, observer), told };
}

test("a call is told of by its operation and its container, from its beginning to its end", async (t) => {
  const { fake, engine, told } = setUp(t);
  fake.images.add("pause");
  const { id } = await engine.createContainer({ name: "a", Image: "pause" });
  assert.deepEqual(told, [{ operation: "create_container" }, { end: undefined }]);
  told.length = 0;
  const hold = fake.hold("inspectContainer");
  const inspecting = engine.inspectContainer(id);
  await hold.reached;
  assert.deepEqual(told, [{ operation: "inspect_container", containerId: id }]);
  hold.release();
  assert.equal((await inspecting).Id, id);
  assert.deepEqual(told[1], { end: undefined });
});

test("a failure reaches the caller as it is, and is told of", async (t) => {
  const { fake, engine, told } = setUp(t);
  const error = new CriError("unavailable", "gone");
  fake.fail("info", error);
  await assert.rejects(engine.info(), error);
  assert.deepEqual(told, [{ operation: "info" }, { end: error }]);
});

const source = { repository: "busybox", tagOrDigest: "1.36" };
const never = new AbortController().signal;

test("a pull ends with its last message, or with the one that its reader did not wait for", async (t) => {
  const { fake, engine, told } = setUp(t);
  fake.images.publish("busybox:1.36");
  const messages = [];
  for await (const message of engine.pullImage(source, undefined, never)) {
    assert.equal(told.length, 1, "it has not ended");
    messages.push(message);
  }
  assert.ok(messages.length > 0);
  assert.deepEqual(told, [{ operation: "pull_image" }, { end: undefined }]);
  told.length = 0;
  for await (const _ of engine.pullImage(source, undefined, never)) break;
  assert.deepEqual(told, [{ operation: "pull_image" }, { end: undefined }]);
});

test("a pull that fails ends with its error", async (t) => {
  const { engine, told } = setUp(t);
  const pull = async () => {
    for await (const _ of engine.pullImage(source, undefined, never));
  };
  const error = await pull().catch((thrown: unknown) => thrown);
  assert.ok(error instanceof CriError);
  assert.deepEqual(told, [{ operation: "pull_image" }, { end: error }]);
});
