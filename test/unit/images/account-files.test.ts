import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { AccountFiles } from "../../../src/images/account-files.js";
import type { ImageFacts } from "../../../src/images/images.js";
import { imageFilesType, kindOf, ownerLabel, typeLabel } from "../../../src/kube/labels.js";
import { imageFacts, recordingLog } from "../../support/builders.js";
import { FakeEngine } from "../../support/fake-engine.js";
import type { Content } from "../../support/fake-images.js";
import { refusal } from "../../support/fake-refusal.js";

const directory = mkdtempSync(join(tmpdir(), "dockershim-accounts."));
after(() => rmSync(directory, { recursive: true, force: true }));

const owner = "/var/lib/dockershim";
const passwd = "web:x:33:44::/:/bin/sh\n";
const group = "media:x:50000:web\n";

function world(files: Content["files"] = {}) {
  const engine = new FakeEngine(directory);
  const image = imageFacts({ id: engine.images.add("shop:1", { files }) });
  const log = recordingLog();
  const accounts = new AccountFiles({ engine, owner, log });
  const made = () => engine.calls.filter(({ method }) => method === "createContainer").length;
  return { engine, image, accounts, log, made };
}

for (const [title, files, expected] of [
  ["both", { "/etc/passwd": passwd, "/etc/group": group }, { passwd, group }],
  ["no group file", { "/etc/passwd": passwd }, { passwd, group: "" }],
  ["neither", {}, { passwd: "", group: "" }],
  [
    "a link to another place",
    { "/etc/passwd": { kind: "link", target: "/usr/share/passwd" }, "/usr/share/passwd": passwd },
    { passwd, group: "" },
  ],
  [
    "a link that leads to nothing",
    { "/etc/passwd": { kind: "link", target: "/nowhere" } },
    { passwd: "", group: "" },
  ],
] as [string, Content["files"], object][]) {
  test(`an image with ${title} is read, and nothing is left`, async () => {
    const { engine, image, accounts } = world(files);
    assert.deepEqual(await accounts.of(image), expected);
    assert.deepEqual(engine.containers.names, []);
  });
}

for (const [title, files, words] of [
  [
    "a directory",
    { "/etc/group": { kind: "other", type: "directory" } },
    /\/etc\/group of image .* is no file/,
  ],
  [
    "a link without an end",
    { "/etc/passwd": { kind: "link", target: "/a" }, "/a": { kind: "link", target: "/a" } },
    /\/etc\/passwd of image .* is no file, but a link/,
  ],
  [
    "a file of more than a mebibyte",
    { "/etc/passwd": "x".repeat(1048577) },
    /accounts: 1048577 bytes are more/,
  ],
] as [string, Content["files"], RegExp][]) {
  test(`an image whose file is ${title} is refused, and nothing is left`, async () => {
    const { engine, image, accounts } = world(files);
    await assert.rejects(accounts.of(image), { kind: "failedPrecondition", message: words });
    assert.deepEqual(engine.containers.names, []);
  });
}

test("an image is read once, however many ask at the same time and afterwards", async () => {
  const { image, accounts, made } = world({ "/etc/passwd": passwd });
  await Promise.all([accounts.of(image), accounts.of(image)]);
  await accounts.of(image);
  assert.equal(made(), 1);
});

test("an image that could not be read is read by the next who asks", async () => {
  const { engine, image, accounts } = world({ "/etc/passwd": passwd });
  engine.fail("readPath", refusal(500, "disk on fire"));
  await assert.rejects(accounts.of(image), /disk on fire/);
  assert.deepEqual(engine.containers.names, []);
  assert.equal((await accounts.of(image)).passwd, passwd);
});

test("a container that somebody removes meanwhile is not taken for an image without files", async () => {
  const { engine, image, accounts } = world({ "/etc/passwd": passwd });
  const held = engine.hold("readPath");
  const reading = accounts.of(image);
  await held.reached;
  for (const name of engine.containers.names) engine.containers.remove(name, { force: true });
  held.release();
  await assert.rejects(reading, { kind: "unavailable", message: /removed by somebody/ });
  assert.equal((await accounts.of(image)).passwd, passwd);
});

test("a container that cannot be removed is said in the log, and the files are known all the same", async () => {
  const { engine, image, accounts, log } = world({ "/etc/passwd": passwd });
  engine.fail("removeContainer", refusal(500, "busy"));
  assert.equal((await accounts.of(image)).passwd, passwd);
  assert.deepEqual(
    log.entries.map(({ level }) => level),
    ["warn"],
  );
});

test("many large images are not all kept, the latest is", async () => {
  const { engine, accounts, made } = world();
  const text = "x".repeat(1024 * 1024);
  const images: ImageFacts[] = Array.from({ length: 9 }, (_, n) =>
    imageFacts({ id: engine.images.add(`big:${n}`, { files: { "/etc/passwd": text } }) }),
  );
  for (const image of images) await accounts.of(image);
  assert.equal(made(), 9);
  await accounts.of(images[8] as ImageFacts);
  assert.equal(made(), 9);
  await accounts.of(images[0] as ImageFacts);
  assert.equal(made(), 10);
});

test("the container is none of a pod's, has no network, and none of the image's volumes is filled", async () => {
  const { engine, image, accounts } = world();
  await accounts.of({ ...image, volumes: ["/data"] });
  const [options] = engine.calls.find(({ method }) => method === "createContainer")?.args as [
    Parameters<FakeEngine["createContainer"]>[0],
  ];
  assert.equal(kindOf(options.Labels ?? {}), undefined);
  assert.equal(options.Labels?.[typeLabel], imageFilesType);
  assert.equal(options.HostConfig?.NetworkMode, "none");
  assert.deepEqual(options.HostConfig?.Mounts, [{ Type: "tmpfs", Source: "", Target: "/data" }]);
});

function leftover(engine: FakeEngine, name: string, labels: Record<string, string>): void {
  engine.containers.create({ name, Image: "shop:1", Labels: labels });
}

test("what a crash left behind is removed at the next start, another server's is not", async () => {
  const { engine, accounts, log } = world();
  leftover(engine, "mine", { [typeLabel]: imageFilesType, [ownerLabel]: owner });
  leftover(engine, "theirs", { [typeLabel]: imageFilesType, [ownerLabel]: "/other" });
  leftover(engine, "pod", { [typeLabel]: "podsandbox", [ownerLabel]: owner });
  await accounts.removeLeftovers();
  assert.deepEqual(engine.containers.names, ["pod", "theirs"]);
  assert.equal(log.entries.length, 1);
});

test("what is being read is no leftover, and reading waits until leftovers are gone", async () => {
  const { engine, image, accounts } = world({ "/etc/passwd": passwd });
  const held = engine.hold("readPath");
  const reading = accounts.of(image);
  await held.reached;
  await accounts.removeLeftovers();
  assert.equal(engine.containers.names.length, 1);
  held.release();
  assert.equal((await reading).passwd, passwd);
});

test("leftovers that cannot be removed are no error but a word in the log", async () => {
  const { engine, accounts, image, log } = world({ "/etc/passwd": passwd });
  engine.fail("listContainers", refusal(500, "no"));
  await accounts.removeLeftovers();
  assert.equal(log.entries[0]?.level, "warn");
  assert.equal((await accounts.of(image)).passwd, passwd);
});
