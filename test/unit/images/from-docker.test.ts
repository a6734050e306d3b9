import assert from "node:assert/strict";
import { test } from "node:test";
import type { ImageInspect } from "../../../src/docker/engine.js";
import { toImage, toLayers } from "../../../src/images/from-docker.js";
import { refuses } from "../../support/assertions.js";
import { fullId, imageId, imageInspect } from "../../support/builders.js";

const pause = "registry.k8s.io/pause:3.10";

test("an image is reported with its id, its names and its size", () => {
  assert.deepEqual(toImage(imageInspect(), "", pause), {
    id: imageId,
    repoTags: ["busybox:latest"],
    repoDigests: [`busybox@sha256:${fullId("d1")}`],
    size: 4_261_550,
    username: "",
    spec: { image: imageId },
    pinned: false,
  });
});

for (const [title, names] of [
  ["null", null],
  ["an empty list", []],
  ["Docker's <none>", ["<none>:<none>"]],
] as [string, string[] | null][]) {
  test(`an image without a name, which Docker writes as ${title}, has no names`, () => {
    const image = toImage(imageInspect({ RepoTags: names, RepoDigests: names }), "", pause);
    assert.deepEqual([image.repoTags, image.repoDigests], [[], []]);
  });
}

for (const [user, expected] of [
  ["", { username: "" }],
  ["0", { uid: { value: "0" } }],
  ["1000", { uid: { value: "1000" } }],
  ["1000:1000", { uid: { value: "1000" } }],
  ["65535:root", { uid: { value: "65535" } }],
  ["www-data", { username: "www-data" }],
  ["www-data:33", { username: "www-data" }],
  ["1000a", { username: "1000a" }],
  [":33", { username: "" }],
] as const) {
  test(`an image whose User is ${JSON.stringify(user)} says so to the kubelet`, () => {
    const { uid, username } = toImage(imageInspect(), user, pause);
    assert.deepEqual({ ...(uid ? { uid } : {}), ...(username === undefined ? {} : { username }) }, expected);
  });
}

const digest = `sha256:${fullId("d9")}`;
for (const [title, image, sandboxImage, pinned] of [
  ["its tag", { RepoTags: [pause] }, pause, true],
  ["its tag among others", { RepoTags: ["x:1", pause] }, pause, true],
  [
    "its digest",
    { RepoTags: [], RepoDigests: [`registry.k8s.io/pause@${digest}`] },
    `${pause}@${digest}`,
    true,
  ],
  ["its id", {}, imageId, true],
  ["a short name that means the same", { RepoTags: ["pause:latest"] }, "docker.io/library/pause", true],
] as [string, Partial<ImageInspect>, string, boolean][]) {
  test(`the sandbox image is pinned, known by ${title}`, () => {
    assert.equal(toImage(imageInspect(image), "", sandboxImage).pinned, pinned);
  });
}

for (const [title, image] of [
  ["has another tag", { RepoTags: ["registry.k8s.io/pause:3.9"] }],
  ["comes from another registry", { RepoTags: ["example.com/pause:3.10"] }],
  ["has no name", { RepoTags: [], RepoDigests: [] }],
] as [string, Partial<ImageInspect>][]) {
  test(`an image that ${title} is not pinned as the sandbox image`, () => {
    assert.equal(toImage(imageInspect(image), "", pause).pinned, false);
  });
}

const graph = (Name: string, Data: Record<string, string> | null) =>
  imageInspect({ GraphDriver: { Name, Data } });

test("an image's layers are folders of the overlay2 driver, the topmost first", () => {
  assert.deepEqual(toLayers(graph("overlay2", { UpperDir: "/o/a/diff", LowerDir: "/o/b/diff:/o/c/diff" })), [
    "/o/a/diff",
    "/o/b/diff",
    "/o/c/diff",
  ]);
  assert.deepEqual(toLayers(graph("overlay2", { UpperDir: "/o/a/diff" })), ["/o/a/diff"]);
});

for (const [title, image, kind, reason] of [
  ["of another driver", graph("btrfs", null), "unimplemented", "not btrfs"],
  ["that containerd keeps", imageInspect(), "unimplemented", "not containerd's image store"],
  ["without layers", graph("overlay2", null), "failedPrecondition", "it has no layers"],
] as const) {
  test(`an image ${title} cannot be mounted by us, and the reason is told`, () => {
    refuses(() => toLayers(image), kind, `image ${imageId} cannot be mounted: `);
    assert.throws(() => toLayers(image), new RegExp(`${reason}$`));
  });
}
