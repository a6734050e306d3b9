import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { processesNamed } from "../../../src/host/processes.js";

test("processes are found by their names, which the kernel cuts off after 15 characters, until they have ended", async (t) => {
  const child = spawn(process.execPath, [
    "--eval",
    "process.title = 'a-name-of-its-own'; process.stdin.resume()",
  ]);
  t.after(() => child.kill("SIGKILL"));
  const isFound = () => [...processesNamed("a-name-of-its-o")].includes(String(child.pid));
  await once(child, "spawn");
  while (!isFound()) await new Promise((resolve) => setImmediate(resolve));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(isFound(), false);
  assert.deepEqual([...processesNamed("nobody's name")], []);
});
