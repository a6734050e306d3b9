import assert from "node:assert/strict";
import { existsSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { LogWorld } from "./log-world.js";
import { SmallDisk, withoutMounts } from "./small-disk.js";
import { chance, type Chance } from "../../support/random.js";
import { temporaryFolder } from "./support.js";

/** The kubelet's rotation, which a crash may end at any moment. */
function rotateLog(world: LogWorld, below: Chance): void {
  if (!existsSync(world.path)) return;
  world.rename();
  if (below(3) === 0) world.follower.step();
  if (below(4) === 0) world.crash(below);
  else world.follower.reopen();
}

test("every line is in the log exactly once, whenever the process is killed and the files are rotated", (t) => {
  for (let seed = 0; seed < 400; seed += 1) {
    const below = chance(seed);
    // All that is unread is kept, so that nothing may be missing.
    const world = new LogWorld(temporaryFolder(t), { maxFile: 200, bufferBytes: 512 + 2 * below(300) });
    world.start();
    for (let action = 0; action < 80; action += 1) {
      const kind = below(20);
      if (kind < 8) world.write(below(6));
      else if (kind < 14) world.follower.step();
      else if (kind < 15) world.docker.rotate();
      else if (kind < 16) world.follower.saveIfNeeded();
      else if (kind < 17) rotateLog(world, below);
      else world.crash(below);
    }
    world.follower.finish();
    world.drain();
    world.checkExact(`seed ${seed}`);
    assert.deepEqual(world.reports, [], `seed ${seed}`);
    assert.equal(world.follower.done, true);
  }
});

test("a crash between any two lines of a replay changes nothing", (t) => {
  for (let crashAfter = 0; crashAfter < 12; crashAfter += 1) {
    const world = new LogWorld(temporaryFolder(t));
    world.start();
    world.write(30);
    world.drain();
    for (let crashes = 0; crashes < 5; crashes += 1) {
      world.crash();
      for (let step = 0; step < crashAfter; step += 1) world.follower.step();
      world.follower.saveIfNeeded();
    }
    world.write(30);
    world.drain();
    world.checkExact(`crash after ${crashAfter} steps`);
    assert.deepEqual(world.reports, []);
    world.follower.close();
  }
});

test("lines may be missing only where a gap was told, and are never doubled or out of order", (t) => {
  let gaps = 0;
  for (let seed = 0; seed < 200; seed += 1) {
    const below = chance(seed);
    const world = new LogWorld(temporaryFolder(t), { maxFile: 2 + below(2) });
    world.start();
    for (let action = 0; action < 60; action += 1) {
      const kind = below(12);
      if (kind < 4) world.write(below(6));
      else if (kind < 7) world.follower.step();
      else if (kind < 10) world.docker.rotate();
      else world.crash(below);
    }
    world.follower.finish();
    world.drain();
    const numbers = [...world.log().matchAll(/ line (\d+) /g)].map(([, number]) => Number(number));
    assert.equal(world.log(), LogWorld.expected(numbers), `seed ${seed}`);
    assert.ok(
      numbers.every((number, index) => index === 0 || number > numbers[index - 1]!),
      `seed ${seed}`,
    );
    const told = world.reports.filter((report) => report.startsWith("gap")).length;
    if (numbers.length < world.lines) assert.ok(told > 0, `seed ${seed}`);
    assert.equal(told, world.reports.length, `seed ${seed}: ${world.reports.join()}`);
    gaps += told;
  }
  assert.ok(gaps > 0);
});

test(
  "a full disk stops the log at a line, and all goes on when there is room",
  { skip: withoutMounts },
  (t) => {
    const disk = new SmallDisk(t);
    const world = new LogWorld(temporaryFolder(t), { bufferBytes: 8192, logFolder: disk.folder });
    world.start();
    world.write(30);
    world.drain();
    disk.fill(1);
    world.write(100);
    assert.equal(world.drain(), "stalled");
    const stopped = world.log();
    assert.ok(LogWorld.expected(Array(130).keys()).startsWith(stopped) && stopped.endsWith("\n"));
    world.follower.finish();
    assert.equal(world.drain(), "stalled");
    assert.equal(world.follower.done, false);
    assert.equal(world.reports.length, 1);
    assert.match(world.reports[0]!, /^stalled 1: ENOSPC/);
    disk.free();
    assert.equal(world.drain(), "idle");
    world.checkExact("with room");
    assert.deepEqual(world.reports.slice(1), ["resumed 1: written again"]);
    assert.equal(world.follower.counters.lines, 130);
  },
);

test(
  "killed and rotated on a disk that is full at times, the log has every line once",
  { skip: withoutMounts },
  (t) => {
    for (let seed = 0; seed < 40; seed += 1) {
      const below = chance(seed);
      const disk = new SmallDisk(t);
      const options = { maxFile: 200, bufferBytes: 4096, logFolder: disk.folder };
      const world = new LogWorld(temporaryFolder(t), options);
      world.start();
      let isFull = false;
      for (let action = 0; action < 60; action += 1) {
        const kind = below(20);
        if (kind < 6) world.write(below(8));
        else if (kind < 11) world.follower.step();
        else if (kind < 13 && !isFull) {
          disk.fill(below(2));
          isFull = true;
        } else if (kind < 15 && isFull) {
          disk.free();
          isFull = false;
        } else if (kind < 16) world.docker.rotate();
        else if (kind < 18 && existsSync(world.path)) world.rotate();
        else world.crash(below);
      }
      if (isFull) disk.free();
      world.follower.finish();
      world.drain();
      world.checkExact(`seed ${seed}`);
      assert.equal(world.follower.done, true, `seed ${seed}`);
    }
  },
);

test("where positions cannot be saved, the next file waits until they can", (t) => {
  const world = new LogWorld(temporaryFolder(t));
  world.start();
  world.write(3);
  world.drain();
  const folder = dirname(world.positionFile);
  renameSync(folder, `${folder}.away`);
  world.docker.rotate();
  world.write(3);
  assert.equal(world.drain(), "stalled");
  assert.equal(world.log(), LogWorld.expected(Array(3).keys()));
  renameSync(`${folder}.away`, folder);
  world.drain();
  world.checkExact("saved again");
  world.follower.close();
});
