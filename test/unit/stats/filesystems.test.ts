import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { FilesystemUsage } from "../../../src/generated/runtime/v1/FilesystemUsage.js";
import { Filesystems } from "../../../src/stats/filesystems.js";
import { ImageLayers } from "../../../src/stats/image-layers.js";
import { containerInspect, fullId } from "../../support/builders.js";

const value = (text: string) => ({ value: text });
const never = new AbortController().signal;
const atOnce = () => Promise.resolve();

test("images and containers have uses of their own on one filesystem, and what is not counted is missing", async () => {
  const [a, b, fresh] = ["a1", "b2", "c3"].map((start) => containerInspect({ Id: fullId(start) }));
  const layers = new Map<string, FilesystemUsage>([
    [fullId("a1"), { usedBytes: value("4096"), inodesUsed: value("3") }],
    [fullId("b2"), { usedBytes: value("9007199254740993"), inodesUsed: value("4") }],
  ]);
  const imageLayers: { inodes: number | undefined } = { inodes: undefined };
  const filesystems = new Filesystems({
    host: { facts: () => Promise.resolve({ rootDirectory: "/var/lib/docker" }) },
    images: { layersSize: () => Promise.resolve({ timestamp: "7", bytes: 123 }) },
    imageLayers,
    inventory: { list: () => Promise.resolve([a, b, fresh].filter((one) => one !== undefined)) },
    layers,
  });
  const place = { timestamp: "7", fsId: { mountpoint: "/var/lib/docker" } };
  const ofContainers = { ...place, usedBytes: value("9007199254745089"), inodesUsed: value("7") };
  assert.deepEqual(await filesystems.usage(never), {
    imageFilesystems: [{ ...place, usedBytes: value("123"), inodesUsed: null }],
    containerFilesystems: [ofContainers],
  });
  imageLayers.inodes = 55;
  const { imageFilesystems } = await filesystems.usage(never);
  assert.deepEqual(imageFilesystems?.[0]?.inodesUsed, value("55"));
});

test("each layer is counted once, and counts as long as an image has it", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "dockershim-layers."));
  t.after(() => rmSync(root, { recursive: true }));
  const [base, top] = ["base", "top"].map((name) => join(root, name));
  for (const folder of [base, top]) mkdirSync(folder ?? "");
  writeFileSync(join(base ?? "", "file"), "x");
  let folders: Set<string> | undefined = new Set([base ?? "", top ?? "", join(root, "just-removed")]);
  const layers = new ImageLayers({ images: { layerFolders: () => Promise.resolve(folders) } });
  assert.equal(layers.inodes, undefined);
  await layers.round(atOnce);
  assert.equal(layers.inodes, 3);
  // A layer does not change: that this one does is not seen, since it is not counted again.
  writeFileSync(join(base ?? "", "other"), "x");
  await layers.round(atOnce);
  assert.equal(layers.inodes, 3);
  folders = new Set([base ?? ""]);
  await layers.round(atOnce);
  assert.equal(layers.inodes, 2);
  folders = undefined;
  await layers.round(atOnce);
  assert.equal(layers.inodes, undefined);
});
