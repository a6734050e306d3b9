import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../../../src/network/cni/turns.js";
import { deferred } from "../../../../src/waiting.js";
import { chance } from "../../../support/random.js";
import { turns as everybodysTurn } from "../../../support/scripted-engine.js";

/** Work that a test lets end; what has begun and ended so far, in order. */
function setUp() {
  const turns = new Turns();
  const story: string[] = [];
  const ends = new Map<string, ReturnType<typeof deferred>>();
  const work = (name: string) => async (): Promise<string> => {
    story.push(`${name} begins`);
    const end = deferred();
    ends.set(name, end);
    await end.promise.finally(() => story.push(`${name} ends`));
    return name;
  };
  /** Lets it end, or fail, and then whoever waited begin. */
  const end = async (name: string, error?: Error): Promise<void> => {
    const { resolve, reject } = ends.get(name) ?? assert.fail(`${name} has not begun`);
    if (error) reject(error);
    else resolve();
    await everybodysTurn();
  };
  return {
    story,
    end,
    forPod: (pod: string, name: string) => turns.forPod(pod, work(name)),
    alone: (name: string) => turns.alone(work(name)),
    turns,
  };
}

test("a pod's operations are done one at a time, in the order in which they were asked for", async () => {
  const { story, end, forPod } = setUp();
  const all = ["first", "second", "third"].map((name) => forPod("a", name));
  await everybodysTurn();
  assert.deepEqual(story, ["first begins"]);
  for (const name of ["first", "second", "third"]) await end(name);
  assert.deepEqual(
    story,
    ["first", "second", "third"].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  assert.deepEqual(await Promise.all(all), ["first", "second", "third"]);
});

test("an operation that fails has failed for who asked; the pod's next one is done", async () => {
  const { story, end, forPod } = setUp();
  const failed = assert.rejects(forPod("a", "first"), { message: "no" });
  const next = forPod("a", "second");
  await everybodysTurn();
  await end("first", new Error("no"));
  await failed;
  assert.deepEqual(story, ["first begins", "first ends", "second begins"]);
  await end("second");
  assert.equal(await next, "second");
});

test("work that throws at once is a failure like any other", async () => {
  const { turns, end, forPod, alone } = setUp();
  const broken = (): Promise<void> => {
    throw new Error("at once");
  };
  await assert.rejects(turns.forPod("a", broken), { message: "at once" });
  await assert.rejects(turns.alone(broken), { message: "at once" });
  const pod = forPod("a", "pod");
  await everybodysTurn();
  await end("pod");
  assert.equal(await pod, "pod");
  const collection = alone("gc");
  await everybodysTurn();
  await end("gc");
  assert.equal(await collection, "gc");
});

test("different pods do not wait for each other", async () => {
  const { story, end, forPod } = setUp();
  const all = ["a", "b", "c"].map((pod) => forPod(pod, pod));
  await everybodysTurn();
  assert.deepEqual(story, ["a begins", "b begins", "c begins"]);
  for (const pod of ["c", "a", "b"]) await end(pod);
  assert.deepEqual(await Promise.all(all), ["a", "b", "c"]);
});

test("what is to be alone waits for all that runs, and holds back what comes later", async () => {
  const { story, end, forPod, alone } = setUp();
  const all = [forPod("a", "a"), forPod("b", "b")];
  await everybodysTurn();
  all.push(alone("gc"), forPod("c", "c"), forPod("a", "a2"));
  await everybodysTurn();
  assert.deepEqual(story, ["a begins", "b begins"]);
  await end("a");
  assert.deepEqual(story.slice(2), ["a ends"]);
  await end("b");
  assert.deepEqual(story.slice(3), ["b ends", "gc begins"]);
  await end("gc");
  assert.deepEqual(story.slice(5), ["gc ends", "c begins", "a2 begins"]);
  await end("c");
  await end("a2");
  assert.deepEqual(await Promise.all(all), ["a", "b", "gc", "c", "a2"]);
});

test("what was asked for before and has not begun waits for what is to be alone, and is done then", async () => {
  const { story, end, forPod, alone } = setUp();
  const all = [forPod("a", "first"), forPod("a", "second")];
  await everybodysTurn();
  all.push(alone("gc"));
  await end("first");
  assert.deepEqual(story, ["first begins", "first ends", "gc begins"]);
  await end("gc");
  await end("second");
  assert.deepEqual(await Promise.all(all), ["first", "second", "gc"]);
});

test("two that are to be alone are so one after the other, also when the first one fails", async () => {
  const { story, end, forPod, alone } = setUp();
  const failed = assert.rejects(alone("gc"), { message: "no" });
  const [second, pod] = [alone("gc2"), forPod("a", "a")];
  await everybodysTurn();
  assert.deepEqual(story, ["gc begins"]);
  await end("gc", new Error("no"));
  await failed;
  assert.deepEqual(story, ["gc begins", "gc ends", "gc2 begins"]);
  await end("gc2");
  assert.deepEqual(story.slice(3), ["gc2 ends", "a begins"]);
  await end("a");
  assert.deepEqual(await Promise.all([second, pod]), ["gc2", "a"]);
});

test("one more that comes while a pod waits for the first to be alone goes before that pod", async () => {
  const { story, end, forPod, alone } = setUp();
  const all: Promise<string>[] = [alone("gc"), forPod("a", "a")];
  await everybodysTurn();
  all.push(alone("gc2"));
  await end("gc");
  assert.deepEqual(story, ["gc begins", "gc ends", "gc2 begins"]);
  await end("gc2");
  await end("a");
  assert.deepEqual(await Promise.all(all), ["gc", "a", "gc2"]);
});

test("a failure of a pod does not keep what is to be alone from its turn", async () => {
  const { story, end, forPod, alone } = setUp();
  const failed = assert.rejects(forPod("a", "a"), { message: "no" });
  await everybodysTurn();
  const collection = alone("gc");
  await end("a", new Error("no"));
  await failed;
  assert.deepEqual(story, ["a begins", "a ends", "gc begins"]);
  await end("gc");
  await collection;
});

test("in 300 random mixes everything gets its turn, and nobody one that is not theirs", async () => {
  for (let seed = 0; seed < 300; seed++) {
    const below = chance(seed);
    const turns = new Turns();
    const running: string[] = [];
    const orders = new Map<string, number[]>();
    const work = (name: string, number: number) => async () => {
      if (name === "alone") assert.deepEqual(running, [], `seed ${seed}`);
      else assert.ok(!running.includes(name) && !running.includes("alone"), `seed ${seed}`);
      running.push(name);
      orders.set(name, [...(orders.get(name) ?? []), number]);
      for (let left = below(4); left > 0; left--) await everybodysTurn();
      running.splice(running.indexOf(name), 1);
      if (below(4) === 0) throw new Error("no");
    };
    const all: Promise<void>[] = [];
    for (let number = 0; number < 20; number++) {
      const name = ["a", "b", "c", "alone"][below(4)] ?? "";
      const turn =
        name === "alone" ? turns.alone(work(name, number)) : turns.forPod(name, work(name, number));
      all.push(turn.catch((error: Error) => assert.equal(error.message, "no")));
      if (below(3) === 0) await everybodysTurn();
    }
    await Promise.all(all);
    assert.equal([...orders.values()].flat().length, 20, `seed ${seed}`);
    for (const order of orders.values()) {
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
        `seed ${seed}`,
      );
    }
  }
});
