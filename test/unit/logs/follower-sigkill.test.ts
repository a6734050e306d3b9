import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { on, once } from "node:events";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { LogWorld } from "./log-world.js";
import { chance } from "../../support/random.js";
import { temporaryFolder } from "./support.js";

const program = fileURLToPath(new URL("follower-process.ts", import.meta.url));

function start(t: TestContext, { docker, path, positionFile }: LogWorld): ChildProcess {
  const child = fork(program, [docker.path, path, positionFile], {
    execArgv: ["--import", import.meta.resolve("tsx")],
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** Waits for what a process says; nothing of it is missed in between. */
function listener(child: ChildProcess): (expected: string, times?: number) => Promise<void> {
  const messages = on(child, "message");
  return async (expected, times = 1) => {
    for (let heard = 0; heard < times;) {
      const [message] = ((await messages.next()).value ?? []) as [string];
      assert.match(message, /^(more|done|reopen|finish)$/);
      if (message === expected) heard += 1;
    }
  };
}

test("a process that is killed for real, also while it writes, leaves a log that the next one completes", async (t) => {
  const below = chance(1);
  const world = new LogWorld(temporaryFolder(t), { maxFile: 50 });
  for (let kill = 0; kill < 12; kill += 1) {
    world.write(10_000);
    const child = start(t, world);
    const ended = once(child, "exit");
    const untilSaid = listener(child);
    await untilSaid("more", 1 + below(4));
    if (kill % 3 === 2) {
      world.rename();
      child.send("reopen");
      if (kill % 2 === 0) await untilSaid("reopen");
    }
    child.kill("SIGKILL");
    await ended;
    if (below(2) > 0) world.docker.rotate();
  }
  const last = start(t, world);
  const done = listener(last)("done");
  last.send("finish");
  await done;
  world.checkExact("after all");
});
