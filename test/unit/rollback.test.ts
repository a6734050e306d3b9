import assert from "node:assert/strict";
import { test } from "node:test";
import { withRollback } from "../../src/rollback.js";
import { recordingLog } from "../support/builders.js";

test("work that succeeds keeps everything that it made", async () => {
  const undone: string[] = [];
  const result = await withRollback(recordingLog(), (undo) => {
    undo("first", () => Promise.resolve(undone.push("first")));
    return Promise.resolve("made");
  });
  assert.equal(result, "made");
  assert.deepEqual(undone, []);
});

test("work that fails is undone newest first, one step after the other, and fails with its own error", async () => {
  const failure = new Error("no more");
  const seen: string[] = [];
  const step = (name: string) => async () => {
    seen.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
  };
  await assert.rejects(
    withRollback(recordingLog(), async (undo) => {
      undo("first", step("first"));
      await Promise.resolve();
      undo("second", step("second"));
      throw failure;
    }),
    (error) => error === failure,
  );
  assert.deepEqual(seen, ["second begins", "second ends", "first begins", "first ends"]);
});

test("a step that cannot be undone is logged, and neither hides the error nor stops the other steps", async () => {
  const log = recordingLog();
  const stuck = new Error("stuck");
  let undone = false;
  await assert.rejects(
    withRollback(log, (undo) => {
      undo("remove the sandbox", async () => void (undone = await Promise.resolve(true)));
      undo("release the address", () => Promise.reject(stuck));
      return Promise.reject(new Error("first"));
    }),
    { message: "first" },
  );
  assert.ok(undone);
  assert.deepEqual(log.entries, [
    { level: "warn", event: "undo failed", fields: { step: "release the address", error: stuck } },
  ]);
});

test("work that fails before it made anything has nothing to undo", async () => {
  const log = recordingLog();
  await assert.rejects(
    withRollback(log, () => Promise.reject(new Error("at once"))),
    { message: "at once" },
  );
  assert.deepEqual(log.entries, []);
});
