import assert from "node:assert/strict";
import { test } from "node:test";
import { fromDockerMount, parseMount, parseMounts } from "../../../src/containers/mounts.js";
import type { Mount as CriMount } from "../../../src/generated/runtime/v1/Mount.js";
import { refuses } from "../../support/assertions.js";
import { imageId, mountConfig } from "../../support/builders.js";

const field = "config.mounts[3]";
const parse = (mount: CriMount) => parseMount(mountConfig(mount), field);
const unknown = 9 as never;

test("a mount is private and writable unless it says otherwise", () => {
  assert.deepEqual(parse({}), {
    field,
    containerPath: "/data",
    source: { kind: "host", path: "/srv/data" },
    readonly: false,
    recursiveReadOnly: false,
    propagation: "rprivate",
    relabel: false,
    options: [],
  });
});

test("a mount keeps its options", () =>
  assert.deepEqual(parse({ mountOptions: ["noexec", "nodev"] }).options, ["noexec", "nodev"]));

for (const [given, expected] of [
  ["/data/", "/data"],
  ["/data/./a//b", "/data/a/b"],
  ["/a/../b", "/b"],
] as const) {
  test(`a mount at ${given} is at ${expected}, as Docker has it`, () =>
    assert.equal(parse({ containerPath: given }).containerPath, expected));
}

const imageMount: CriMount = { hostPath: "", image: { image: "busybox" }, readonly: true };

test("an image is mounted whole, or a part of it", () => {
  const source = { kind: "image", image: "busybox", userSpecifiedImage: "", subPath: "" };
  assert.deepEqual(parse(imageMount).source, source);
  assert.deepEqual(parse({ ...imageMount, imageSubPath: "etc/ssl" }).source, {
    ...source,
    subPath: "etc/ssl",
  });
  assert.deepEqual(parse({ ...imageMount, image: { image: "x", userSpecifiedImage: "y" } }).source, {
    ...source,
    image: "x",
    userSpecifiedImage: "y",
  });
});

test("an image without a name is none", () => assert.deepEqual(parse({ image: {} }), parse({})));

test("two mounts at one place are refused, however it is written", () => {
  const mounts = ["/a", "/b", "/a/"].map((containerPath) => mountConfig({ containerPath }));
  assert.equal(parseMounts(mounts.slice(0, 2), "config.mounts").length, 2);
  refuses(
    () => parseMounts(mounts, "config.mounts"),
    "invalid",
    'config.mounts[2].container_path "/a" is that of config.mounts[0] as well',
  );
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
    assert.equal(fromDockerMount(reported, []).propagation, propagation);
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
    assert.deepEqual(fromDockerMount(mount, []), {
      containerPath: "/d",
      hostPath: "/s",
      readonly: true,
      propagation: expected,
    });
  });
}

type Refused = [title: string, mount: CriMount, kind: "invalid" | "unimplemented", start: string];
const refused: Refused[] = [
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
  ["the root as target", { containerPath: "/x/.." }, "invalid", `${field}.container_path "/x/.." is the`],
  [
    "mapped owners",
    { uidMappings: [{ hostId: 100_000, containerId: 0, length: 1 }] },
    "unimplemented",
    `${field}.uidMappings`,
  ],
  ["mapped groups", { gidMappings: [{ length: 1 }] }, "unimplemented", `${field}.uidMappings`],
  ["unknown options", { mountOptions: ["noexec", "x"] }, "invalid", `${field}.mount_options: "x" is unknown`],
  ["a part of no image", { imageSubPath: "a" }, "invalid", `${field}.image_sub_path is set without image`],
  [
    "an image and a path",
    { ...imageMount, hostPath: "/srv" },
    "invalid",
    `${field}.host_path and image are both set`,
  ],
  [
    "an image to write to",
    { ...imageMount, readonly: false },
    "invalid",
    `${field}.image is set without readonly`,
  ],
  [
    "an image that propagates",
    { ...imageMount, propagation: "PROPAGATION_BIDIRECTIONAL" },
    "invalid",
    `${field}.propagation BIDIRECTIONAL`,
  ],
  ...(["/etc", "../etc", "a/../../etc", ".."] as const).map((imageSubPath): Refused => [
    `the part ${imageSubPath} of an image`,
    { ...imageMount, imageSubPath },
    "invalid",
    `${field}.image_sub_path ${JSON.stringify(imageSubPath)}`,
  ]),
];
for (const [title, mount, kind, start] of refused) {
  test(`a mount with ${title} is refused as ${kind}`, () => refuses(() => parse(mount), kind, start));
}

test("what Docker does not know of a mount is reported from its record", () => {
  const inspect = {
    Type: "bind",
    Source: "/prepared",
    Destination: "/data",
    RW: true,
    Propagation: "rprivate",
  };
  const common = {
    containerPath: "/data",
    readonly: true,
    recursiveReadOnly: true,
    propagation: "rprivate" as const,
    prepared: "/prepared",
  };
  assert.deepEqual(fromDockerMount(inspect, [{ ...common, hostPath: "/srv", options: ["noexec"] }]), {
    containerPath: "/data",
    hostPath: "/srv",
    readonly: true,
    recursiveReadOnly: true,
    propagation: "PROPAGATION_PRIVATE",
    mountOptions: ["noexec"],
  });
  const image = { image: "busybox", userSpecifiedImage: "as written", id: imageId, subPath: "etc" };
  assert.deepEqual(fromDockerMount(inspect, [{ ...common, image, options: [] }]), {
    containerPath: "/data",
    readonly: true,
    recursiveReadOnly: true,
    propagation: "PROPAGATION_PRIVATE",
    mountOptions: [],
    image: { image: "busybox", userSpecifiedImage: "as written", imageRef: imageId },
    imageSubPath: "etc",
  });
  assert.equal(
    fromDockerMount({ ...inspect, Destination: "/other" }, [{ ...common, options: [] }]).hostPath,
    "/prepared",
  );
});
