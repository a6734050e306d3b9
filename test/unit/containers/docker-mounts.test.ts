import assert from "node:assert/strict";
import { test } from "node:test";
import { toDockerMounts } from "../../../src/containers/docker-mounts.js";
import { parseMounts } from "../../../src/containers/mounts.js";
import type { Mount as CriMount } from "../../../src/generated/runtime/v1/Mount.js";
import type { HostFacts } from "../../../src/host/facts.js";
import { refuses } from "../../support/assertions.js";
import { hostFacts, imageId, mountConfig } from "../../support/builders.js";

const folder = "/var/lib/dockershim/mounts/ab";
const toDocker = (mounts: CriMount[], host: Partial<HostFacts> = {}, runtime = "runc") =>
  toDockerMounts(parseMounts(mounts.map(mountConfig), "config.mounts"), hostFacts(host), {
    folder,
    imageIds: new Map([["busybox", imageId]]),
    runtime,
  });
const labelled = { selinux: true };
const recursive: CriMount = { readonly: true, recursiveReadOnly: true };
const able = { recursiveReadOnlyRuntimes: ["runc"] };
const inContainerd = { storageDriver: "overlayfs" };
const image: CriMount = { hostPath: "", readonly: true, image: { image: "busybox" } };

test("a mount is said to Docker in full", () => {
  assert.deepEqual(toDocker([{ propagation: "PROPAGATION_HOST_TO_CONTAINER" }]), {
    Mounts: [
      {
        Type: "bind",
        Source: "/srv/data",
        Target: "/data",
        ReadOnly: false,
        BindOptions: { Propagation: "rslave", CreateMountpoint: true },
      },
    ],
    Binds: [],
    records: [],
  });
});

test("a read-only mount leaves what is mounted below it as it is", () => {
  const [made] = toDocker([{ readonly: true }]).Mounts;
  assert.equal(made?.ReadOnly, true);
  assert.deepEqual(made?.BindOptions, {
    Propagation: "rprivate",
    CreateMountpoint: true,
    ReadOnlyNonRecursive: true,
  });
});

test("paths with colons and commas are mounted like any other", () => {
  const [made] = toDocker([{ hostPath: "/srv/a:b,c", containerPath: "/d:e" }]).Mounts;
  assert.deepEqual([made?.Source, made?.Target], ["/srv/a:b,c", "/d:e"]);
});

test("no mounts are no mounts", () =>
  assert.deepEqual(toDocker([], labelled), { Mounts: [], Binds: [], records: [] }));

test("recursive read-only is Docker's to do where the container's runtime can", () => {
  const { Mounts, records } = toDocker([recursive], able);
  assert.deepEqual(Mounts[0]?.BindOptions, {
    Propagation: "rprivate",
    CreateMountpoint: true,
    ReadOnlyForceRecursive: true,
  });
  assert.deepEqual([Mounts[0]?.Source, Mounts[0]?.ReadOnly], ["/srv/data", true]);
  assert.deepEqual(records, [
    {
      containerPath: "/data",
      hostPath: "/srv/data",
      readonly: true,
      recursiveReadOnly: true,
      options: [],
      propagation: "rprivate",
    },
  ]);
});

for (const [title, mount, host, runtime] of [
  ["recursively read-only where no runtime can", recursive, {}, "runc"],
  ["recursively read-only where another runtime can", recursive, able, "kata"],
  ["with options", { mountOptions: ["noexec"] }, able, "runc"],
  ["with options and recursively read-only", { ...recursive, mountOptions: ["noexec"] }, able, "runc"],
  ["of an image in overlay2's layers", image, {}, "runc"],
  ["of an image in containerd before API 1.48", image, { ...inContainerd, apiVersion: "1.47" }, "runc"],
  ["of an image with options", { ...image, mountOptions: ["noexec"] }, inContainerd, "runc"],
] as [string, CriMount, Partial<HostFacts>, string][]) {
  test(`a mount ${title} is made by us, and bound as it is`, () => {
    const { Mounts, Binds, records } = toDocker([{ containerPath: "/first" }, mount], host, runtime);
    const prepared = `${folder}/1`;
    assert.deepEqual(Mounts[1], {
      Type: "bind",
      Source: prepared,
      Target: "/data",
      ReadOnly: false,
      BindOptions: { Propagation: "rprivate" },
    });
    assert.deepEqual(Binds, []);
    assert.deepEqual(
      records.map((record) => [record.containerPath, record.prepared, record.readonly, record.options]),
      [["/data", prepared, mount.readonly ?? false, mount.mountOptions ?? []]],
    );
  });
}

test("an image that containerd keeps is Docker's to mount since API 1.48", () => {
  for (const subPath of ["", "etc"]) {
    const { Mounts, records } = toDocker([{ ...image, imageSubPath: subPath }], {
      ...inContainerd,
      apiVersion: "1.48",
    });
    assert.deepEqual(Mounts, [
      {
        Type: "image",
        Source: imageId,
        Target: "/data",
        ReadOnly: true,
        ...(subPath === "" ? {} : { ImageOptions: { Subpath: subPath } }),
      },
    ]);
    assert.deepEqual(records[0]?.image, { image: "busybox", userSpecifiedImage: "", id: imageId, subPath });
    assert.equal(records[0]?.prepared, undefined);
  }
});

test("a relabel is asked for where SELinux is on, and the other mounts are left alone", () => {
  const { Mounts, Binds } = toDocker(
    [
      { containerPath: "/a" },
      { containerPath: "/b", selinuxRelabel: true },
      { containerPath: "/c", selinuxRelabel: true, readonly: true, propagation: "PROPAGATION_BIDIRECTIONAL" },
      { ...image, containerPath: "/d", selinuxRelabel: true },
    ],
    labelled,
  );
  assert.deepEqual(Binds, ["/srv/data:/b:rw,rprivate,Z", "/srv/data:/c:ro,rshared,Z"]);
  assert.deepEqual(
    Mounts.map(({ Target }) => Target),
    ["/a", "/d"],
  );
});

test("a relabel means nothing where SELinux is off", () => {
  const { Mounts, Binds } = toDocker([{ selinuxRelabel: true }]);
  assert.deepEqual([Mounts.length, Binds], [1, []]);
});

test("a mount with options is relabelled through the mount that is made", () => {
  const { Mounts, Binds, records } = toDocker([{ selinuxRelabel: true, mountOptions: ["nodev"] }], labelled);
  assert.deepEqual([Mounts, Binds], [[], [`${folder}/0:/data:rw,rprivate,Z`]]);
  assert.equal(records[0]?.prepared, `${folder}/0`);
});

test("a recursively read-only mount that Docker makes is relabelled as well", () => {
  const { Binds, records } = toDocker([{ ...recursive, selinuxRelabel: true }], { ...labelled, ...able });
  assert.deepEqual(Binds, ["/srv/data:/data:ro,rprivate,Z"]);
  assert.equal(records[0]?.recursiveReadOnly, true);
});

for (const [title, mount, start] of [
  ["a host path with a colon", { hostPath: "/a:b" }, 'config.mounts[0].host_path "/a:b" has a colon'],
  ["a container path with a colon", { containerPath: "/a:b" }, "config.mounts[0].container_path"],
  ["what is recursively read-only by us", recursive, "config.mounts[0].selinux_relabel"],
  ["what is read-only with options", { readonly: true, mountOptions: ["nodev"] }, "config.mounts[0].selinux"],
] as [string, CriMount, string][]) {
  test(`relabelling ${title} is refused where SELinux is on, and no matter elsewhere`, () => {
    const mounts = [{ ...mount, selinuxRelabel: true }];
    refuses(() => toDocker(mounts, labelled), "unimplemented", start);
    assert.equal(toDocker(mounts).Mounts.length, 1);
  });
}
