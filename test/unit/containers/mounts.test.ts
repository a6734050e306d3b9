import assert from "node:assert/strict";
import { test } from "node:test";
import { fromDockerMount, parseMount, toDockerMounts, type Mount } from "../../../src/containers/mounts.js";
import type { Mount as CriMount } from "../../../src/generated/runtime/v1/Mount.js";
import { refuses } from "../../support/assertions.js";
import { mountConfig } from "../../support/builders.js";

const field = "config.mounts[3]";
const parse = (mount: CriMount) => parseMount(mountConfig(mount), field);
const unknown = 9 as never;

test("a mount is private and writable unless it says otherwise", () => {
  assert.deepEqual(parse({}), {
    containerPath: "/data",
    hostPath: "/srv/data",
    readonly: false,
    propagation: "rprivate",
    relabel: false,
  });
});

for (const [propagation, expected] of [
  ["PROPAGATION_PRIVATE", "rprivate"],
  ["PROPAGATION_HOST_TO_CONTAINER", "rslave"],
  ["PROPAGATION_BIDIRECTIONAL", "rshared"],
] as const) {
  test(`${propagation} is Docker's ${expected}, there and back`, () => {
    const mount = parse({ propagation });
    assert.equal(mount.propagation, expected);
    const reported = { Type: "bind", Source: "/s", Destination: "/d", RW: true, Propagation: expected };
    assert.equal(fromDockerMount(reported).propagation, propagation);
  });
}

for (const [propagation, expected] of [
  ["", "PROPAGATION_PRIVATE"],
  ["private", "PROPAGATION_PRIVATE"],
  ["slave", "PROPAGATION_HOST_TO_CONTAINER"],
  ["shared", "PROPAGATION_BIDIRECTIONAL"],
] as const) {
  test(`a predecessor's mount with propagation "${propagation}" is reported as ${expected}`, () => {
    const mount = { Type: "bind", Source: "/s", Destination: "/d", RW: false, Propagation: propagation };
    assert.deepEqual(fromDockerMount(mount), {
      containerPath: "/d",
      hostPath: "/s",
      readonly: true,
      propagation: expected,
    });
  });
}

const refused: [string, CriMount, "invalid" | "unimplemented", string][] = [
  ["no source", { hostPath: "" }, "invalid", `${field}.host_path is required`],
  ["a relative source", { hostPath: "srv" }, "invalid", `${field}.host_path "srv" is not an absolute path`],
  ["no target", { containerPath: "" }, "invalid", `${field}.container_path "" is not an absolute path`],
  [
    "a relative target",
    { containerPath: "d" },
    "invalid",
    `${field}.container_path "d" is not an absolute path`,
  ],
  ["an unknown propagation", { propagation: unknown }, "invalid", `${field}.propagation 9 is unknown`],
  [
    "recursive read-only without read-only",
    { recursiveReadOnly: true },
    "invalid",
    `${field}.recursive_read_only is`,
  ],
  [
    "recursive read-only that propagates",
    { recursiveReadOnly: true, readonly: true, propagation: "PROPAGATION_BIDIRECTIONAL" },
    "invalid",
    `${field}.recursive_read_only needs propagation PRIVATE`,
  ],
  [
    "recursive read-only",
    { recursiveReadOnly: true, readonly: true },
    "unimplemented",
    `${field}.recursive_read_only`,
  ],
  ["an image", { image: { image: "x" } }, "unimplemented", `${field}.image`],
  ["mapped owners", { uidMappings: [{ length: 1 }] }, "unimplemented", `${field}.uidMappings`],
  ["mapped groups", { gidMappings: [{ length: 1 }] }, "unimplemented", `${field}.uidMappings`],
  ["options", { mountOptions: ["noexec"] }, "unimplemented", `${field}.mount_options`],
];
for (const [title, mount, kind, start] of refused) {
  test(`a mount with ${title} is refused as ${kind}`, () => refuses(() => parse(mount), kind, start));
}

const mount = (change: Partial<Mount> = {}): Mount => ({
  containerPath: "/data",
  hostPath: "/srv/data",
  readonly: false,
  propagation: "rprivate",
  relabel: false,
  ...change,
});
const plain = { selinux: false };
const labelled = { selinux: true };

test("a mount is said to Docker in full", () => {
  assert.deepEqual(toDockerMounts([mount({ propagation: "rslave" })], plain), {
    Mounts: [
      {
        Type: "bind",
        Source: "/srv/data",
        Target: "/data",
        ReadOnly: false,
        BindOptions: { Propagation: "rslave" },
      },
    ],
    Binds: [],
  });
});

test("a read-only mount leaves what is mounted below it as it is", () => {
  const [made] = toDockerMounts([mount({ readonly: true })], plain).Mounts;
  assert.equal(made?.ReadOnly, true);
  assert.deepEqual(made?.BindOptions, { Propagation: "rprivate", ReadOnlyNonRecursive: true });
});

test("paths with colons and commas are mounted like any other", () => {
  const [made] = toDockerMounts([mount({ hostPath: "/srv/a:b,c", containerPath: "/d:e" })], plain).Mounts;
  assert.deepEqual([made?.Source, made?.Target], ["/srv/a:b,c", "/d:e"]);
});

test("a relabel is asked for where SELinux is on, and the other mounts are left alone", () => {
  const { Mounts, Binds } = toDockerMounts(
    [
      mount({ containerPath: "/a" }),
      mount({ containerPath: "/b", relabel: true }),
      mount({ containerPath: "/c", relabel: true, readonly: true, propagation: "rshared" }),
    ],
    labelled,
  );
  assert.deepEqual(Binds, ["/srv/data:/b:rw,rprivate,Z", "/srv/data:/c:ro,rshared,Z"]);
  assert.deepEqual(
    Mounts.map(({ Target }) => Target),
    ["/a"],
  );
});

test("a relabel means nothing where SELinux is off", () => {
  const { Mounts, Binds } = toDockerMounts([mount({ relabel: true })], plain);
  assert.deepEqual([Mounts.length, Binds], [1, []]);
});

test("no mounts are no mounts", () =>
  assert.deepEqual(toDockerMounts([], labelled), { Mounts: [], Binds: [] }));
