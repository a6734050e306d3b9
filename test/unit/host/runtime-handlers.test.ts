import assert from "node:assert/strict";
import { test } from "node:test";
import { knownHandlers, runtimeOf } from "../../../src/host/runtime-handlers.js";
import { refuses } from "../../support/assertions.js";

const host = { runtimes: ["crun", "runc", "runsc"] };
const handlers = { gvisor: "runsc", kata: "kata-runtime", runc: "crun" };

for (const [handler, runtime, title] of [
  ["", "", "none is the engine's default"],
  ["gvisor", "runsc", "one that is mapped is the runtime that it is mapped to"],
  ["crun", "crun", "one that is not mapped is the runtime of its name"],
  ["runc", "crun", "the map goes before a runtime of the same name"],
] as const) {
  test(`a handler's runtime: ${title}`, () => assert.equal(runtimeOf(handler, handlers, host), runtime));
}

for (const [handler, kind, start] of [
  [
    "other",
    "invalid",
    'runtime_handler "other" is not known to the Docker Engine; known are crun, gvisor, runc, runsc',
  ],
  ["constructor", "invalid", 'runtime_handler "constructor" is not known'],
  [
    "kata",
    "failedPrecondition",
    'runtime_handler "kata" is Docker\'s runtime "kata-runtime" (--runtime-handlers), which the Docker Engine does not have; known are crun',
  ],
] as const) {
  test(`the handler "${handler}" is refused: ${start.slice(0, 60)}…`, () =>
    refuses(() => runtimeOf(handler, handlers, host), kind, start));
}

test("the known handlers are the default, the engine's runtimes and those mapped to them", () => {
  assert.deepEqual(knownHandlers(handlers, host), ["", "crun", "gvisor", "runc", "runsc"]);
  assert.deepEqual(knownHandlers({}, host), ["", "crun", "runc", "runsc"]);
});

test("a runtime whose name is mapped to one that the engine lacks cannot be had by that name", () => {
  assert.deepEqual(knownHandlers({ crun: "nowhere" }, host), ["", "runc", "runsc"]);
  refuses(
    () => runtimeOf("crun", { crun: "nowhere" }, host),
    "failedPrecondition",
    'runtime_handler "crun" is',
  );
});

test("every known handler has a runtime that the engine has", () => {
  for (const name of knownHandlers(handlers, host).slice(1)) {
    assert.ok(host.runtimes.includes(runtimeOf(name, handlers, host)), name);
  }
});
