import assert from "node:assert/strict";
import { test } from "node:test";
import { Signal } from "../../../src/generated/runtime/v1/Signal.js";
import { fromDockerSignal, toDockerSignal } from "../../../src/linux/signals.js";

const known = Object.values(Signal).filter((signal) => signal !== "SIGNAL_RUNTIME_DEFAULT");

test("every signal that CRI knows is reported back as it was asked for", () => {
  assert.equal(known.length, 65);
  assert.deepEqual(
    known.map((signal) => fromDockerSignal(toDockerSignal(signal))),
    known,
  );
});

test("the runtime's default asks Docker for nothing", () => {
  assert.equal(toDockerSignal("SIGNAL_RUNTIME_DEFAULT"), undefined);
});

for (const [cri, docker] of [
  ["SIGNAL_SIGTERM", "SIGTERM"],
  ["SIGNAL_SIGRTMIN", "SIGRTMIN"],
  ["SIGNAL_SIGRTMINPLUS15", "SIGRTMIN+15"],
  ["SIGNAL_SIGRTMAXMINUS1", "SIGRTMAX-1"],
  ["SIGNAL_SIGRTMAX", "SIGRTMAX"],
] as const) {
  test(`${cri} is Docker's ${docker}`, () => assert.equal(toDockerSignal(cri), docker));
}

for (const [docker, cri] of [
  [undefined, "SIGNAL_SIGTERM"],
  ["", "SIGNAL_SIGTERM"],
  ["SIGQUIT", "SIGNAL_SIGQUIT"],
  ["QUIT", "SIGNAL_SIGQUIT"],
  ["sigquit", "SIGNAL_SIGQUIT"],
  ["quit", "SIGNAL_SIGQUIT"],
  ["3", "SIGNAL_SIGQUIT"],
  ["9", "SIGNAL_SIGKILL"],
  ["RTMIN+3", "SIGNAL_SIGRTMINPLUS3"],
  ["SIGRTMAX-14", "SIGNAL_SIGRTMAXMINUS14"],
  ["34", "SIGNAL_SIGRTMIN"],
  ["37", "SIGNAL_SIGRTMINPLUS3"],
  ["49", "SIGNAL_SIGRTMINPLUS15"],
  ["50", "SIGNAL_SIGRTMAXMINUS14"],
  ["64", "SIGNAL_SIGRTMAX"],
] as const) {
  test(`an image that stops with ${JSON.stringify(docker)} is reported with ${cri}`, () => {
    assert.equal(fromDockerSignal(docker), cri);
  });
}

/** 32 and 33 are libc's own; a program cannot be stopped with them. */
const numbers = Array.from({ length: 64 }, (_, index) => index + 1).filter((n) => n !== 32 && n !== 33);
test("every number of a signal on Linux is reported with a name that CRI has", () => {
  for (const number of numbers)
    assert.ok(known.includes(fromDockerSignal(String(number)) as never), `${number}`);
});

test("a number that is no signal is reported with the default", () => {
  assert.equal(fromDockerSignal("99"), "SIGNAL_SIGTERM");
});
