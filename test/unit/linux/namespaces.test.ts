import assert from "node:assert/strict";
import { test } from "node:test";
import type { NamespaceMode } from "../../../src/generated/runtime/v1/NamespaceMode.js";
import type { NamespaceOption } from "../../../src/generated/runtime/v1/NamespaceOption.js";
import { fromHostConfig, parseNamespaces, type Namespaces } from "../../../src/linux/namespaces.js";
import { namespaceOption } from "../../support/builders.js";

const field = "config.linux.security_context.namespace_options";
const unknown = 9 as unknown as NamespaceMode;
const parse = (option: NamespaceOption) => parseNamespaces(namespaceOption(option), field);

test("without options a pod has its own namespaces", () => {
  assert.deepEqual(parseNamespaces(null, field), { network: "POD", pid: "POD", ipc: "POD", target: "" });
});

for (const [title, option, expected] of [
  ["an empty message means the pod's own", {}, { network: "POD", pid: "POD", ipc: "POD", target: "" }],
  [
    "the node's namespaces can be asked for",
    { network: "NODE", pid: "NODE", ipc: "NODE" },
    { network: "NODE", pid: "NODE", ipc: "NODE", target: "" },
  ],
  [
    "processes can be a container's own",
    { pid: "CONTAINER" },
    { network: "POD", pid: "CONTAINER", ipc: "POD", target: "" },
  ],
  [
    "processes of another container can be seen",
    { pid: "TARGET", targetId: "abc" },
    { network: "POD", pid: "TARGET", ipc: "POD", target: "abc" },
  ],
  [
    "the node's user namespace is what every container has",
    { usernsOptions: { mode: "NODE" } },
    { network: "POD", pid: "POD", ipc: "POD", target: "" },
  ],
] as [string, NamespaceOption, Namespaces][]) {
  test(title, () => assert.deepEqual(parse(option), expected));
}

for (const [title, option, kind, place] of [
  ["a network namespace of the container's own", { network: "CONTAINER" }, "invalid", ".network"],
  ["another container's network namespace", { network: "TARGET", targetId: "abc" }, "invalid", ".network"],
  ["an ipc namespace of the container's own", { ipc: "CONTAINER" }, "invalid", ".ipc"],
  ["a target without its id", { pid: "TARGET" }, "invalid", ".target_id"],
  ["an unknown network mode", { network: unknown }, "invalid", ".network"],
  ["an unknown pid mode", { pid: unknown }, "invalid", ".pid"],
  ["an unknown ipc mode", { ipc: unknown }, "invalid", ".ipc"],
  ["a user namespace", { usernsOptions: { mode: "POD" } }, "unimplemented", ".userns_options"],
  [
    "a user namespace with its mappings",
    { usernsOptions: { mode: "POD", uids: [{ length: 65536 }], gids: [{ length: 65536 }] } },
    "unimplemented",
    ".userns_options",
  ],
  [
    "a user namespace of another container",
    { usernsOptions: { mode: "TARGET" } },
    "invalid",
    ".userns_options",
  ],
  ["an unknown user namespace mode", { usernsOptions: { mode: unknown } }, "invalid", ".userns_options"],
] as [string, NamespaceOption, string, string][]) {
  test(`${title} is refused as ${kind}, and ${place} named`, () => {
    assert.throws(
      () => parse(option),
      (error: { kind?: string; message?: string }) =>
        error.kind === kind && (error.message ?? "").startsWith(`${field}${place}`),
    );
  });
}

for (const [title, config, expected] of [
  [
    "a sandbox with its own namespaces",
    { NetworkMode: "bridge", PidMode: "", IpcMode: "shareable" },
    { network: "POD", pid: "CONTAINER", ipc: "POD" },
  ],
  [
    "a container in its sandbox's namespaces",
    { NetworkMode: "container:5a", PidMode: "container:5a", IpcMode: "container:5a" },
    { network: "POD", pid: "POD", ipc: "POD" },
  ],
  [
    "everything of the node",
    { NetworkMode: "host", PidMode: "host", IpcMode: "host" },
    { network: "NODE", pid: "NODE", ipc: "NODE" },
  ],
  [
    "a predecessor's sandbox, which a network plugin set up",
    { NetworkMode: "none", PidMode: "", IpcMode: "shareable" },
    { network: "POD", pid: "CONTAINER", ipc: "POD" },
  ],
] as const) {
  test(`${title} is reported so`, () => assert.deepEqual(fromHostConfig(config), expected));
}
