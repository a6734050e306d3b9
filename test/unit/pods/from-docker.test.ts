import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodSandboxFilter } from "../../../src/generated/runtime/v1/PodSandboxFilter.js";
import { matchesFilter, toPodSandbox, toPodSandboxStatus } from "../../../src/pods/from-docker.js";
import { podSandboxFilter, sandboxId, sandboxInspect } from "../../support/builders.js";

test("a running sandbox is ready and has its pod's metadata, labels and annotations", () => {
  const sandbox = sandboxInspect({
    Name: "/k8s_POD_web_default_u-1_3",
    Config: { Labels: { app: "web", "annotation.note": "x" } },
  });
  assert.deepEqual(toPodSandbox(sandbox, "runc"), {
    id: sandboxId,
    metadata: { name: "web", namespace: "default", uid: "u-1", attempt: 3 },
    state: "SANDBOX_READY",
    createdAt: "1714557600000000001",
    labels: { app: "web" },
    annotations: { note: "x" },
    runtimeHandler: "",
  });
});

for (const [status, state] of [
  ["created", { Running: false }],
  ["exited", { Running: false }],
  ["dead", { Running: false }],
  ["removing", { Running: false }],
] as const) {
  test(`a sandbox that is ${status} is not ready`, () => {
    const sandbox = sandboxInspect({ State: { Status: status, ...state } });
    assert.equal(toPodSandbox(sandbox, "runc").state, "SANDBOX_NOTREADY");
  });
}

const metadataOf = (name: string) => toPodSandbox(sandboxInspect({ Name: name }), "runc").metadata;

test("a sandbox that had to take a name with a seventh part is reported with its pod's name", () => {
  assert.deepEqual(metadataOf("/k8s_POD_web_default_u-1_3_deadbeef"), {
    name: "web",
    namespace: "default",
    uid: "u-1",
    attempt: 3,
  });
});

test("a sandbox that somebody renamed is reported under the name that it has", () => {
  assert.deepEqual(metadataOf("/renamed"), {
    name: "renamed",
    namespace: "",
    uid: "",
    attempt: 0,
  });
});

for (const [runtime, asDefault, handler] of [
  ["runc", "runc", ""],
  ["kata", "runc", "kata"],
  ["runc", "kata", "runc"],
] as const) {
  test(`a sandbox of runtime ${runtime}, where ${asDefault} is the default, has the handler "${handler}"`, () => {
    assert.equal(
      toPodSandbox(sandboxInspect({ HostConfig: { Runtime: runtime } }), asDefault).runtimeHandler,
      handler,
    );
  });
}

for (const asked of ["gvisor", "runc", ""]) {
  test(`a sandbox that was asked for with the handler "${asked}" has it, whatever its runtime and the default`, () => {
    const Labels = { "io.kubernetes.docker.runtimehandler": asked };
    const sandbox = sandboxInspect({ Config: { Labels }, HostConfig: { Runtime: "runc" } });
    assert.equal(toPodSandboxStatus(sandbox, [], "runc").runtimeHandler, asked);
    assert.equal(toPodSandboxStatus(sandbox, [], "other").runtimeHandler, asked);
  });
}

for (const [title, addresses, network] of [
  ["one address", ["10.1.0.2"], { ip: "10.1.0.2", additionalIps: [] }],
  ["two addresses", ["fd00::2", "10.1.0.2"], { ip: "fd00::2", additionalIps: [{ ip: "10.1.0.2" }] }],
  ["no address", [], {}],
] as const) {
  test(`a pod with ${title} says so, the primary one first`, () => {
    assert.deepEqual(toPodSandboxStatus(sandboxInspect(), [...addresses], "runc").network, network);
  });
}

test("a pod on the node's network has no address of its own", () => {
  const sandbox = sandboxInspect({ HostConfig: { NetworkMode: "host" } });
  const { network, linux } = toPodSandboxStatus(sandbox, [], "runc");
  assert.deepEqual(network, {});
  assert.equal(linux?.namespaces?.options?.network, "NODE");
});

for (const [mode, pid] of [
  ["", "POD"],
  ["host", "NODE"],
] as const) {
  test(`a sandbox with Docker's pid mode "${mode}" offers ${pid} to its containers`, () => {
    const sandbox = sandboxInspect({ HostConfig: { PidMode: mode } });
    assert.deepEqual(toPodSandboxStatus(sandbox, [], "runc").linux?.namespaces?.options, {
      network: "POD",
      pid,
      ipc: "POD",
    });
  });
}

const item = toPodSandbox(sandboxInspect({ Config: { Labels: { app: "web", tier: "front" } } }), "runc");
for (const [title, filter, expected] of [
  ["an empty filter", {}, true],
  ["the full id", { id: sandboxId }, true],
  ["the beginning of the id", { id: "5a0" }, true],
  ["another id", { id: "5b" }, false],
  ["an inner part of the id", { id: "a0" }, false],
  ["its state", { state: { state: "SANDBOX_READY" } }, true],
  ["another state", { state: { state: "SANDBOX_NOTREADY" } }, false],
  ["a label of it", { labelSelector: { app: "web" } }, true],
  ["a label that it has not", { labelSelector: { app: "db" } }, false],
  [
    "everything at once",
    { id: "5a", state: { state: "SANDBOX_READY" }, labelSelector: { app: "web" } },
    true,
  ],
  [
    "everything at once, one of them wrong",
    { id: "5a", state: { state: "SANDBOX_NOTREADY" }, labelSelector: { app: "web" } },
    false,
  ],
] as [string, PodSandboxFilter, boolean][]) {
  test(`a pod is ${expected ? "listed" : "left out"} by a filter for ${title}`, () => {
    assert.equal(matchesFilter(item, podSandboxFilter(filter)), expected);
  });
}

test("no filter lists every pod", () => assert.equal(matchesFilter(item, null), true));
