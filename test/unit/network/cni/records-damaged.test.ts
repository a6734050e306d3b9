/** Attachments' files that are not as they should be. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { a, b, base64, predecessors, record, result, setUp } from "./records-support.js";

const damages: { title: string; text: string; message: string }[] = [
  { title: "empty", text: "", message: "Unexpected end of JSON input" },
  {
    title: "cut off",
    text: JSON.stringify(predecessors()).slice(0, 100),
    message: "Unterminated string in JSON at position 100",
  },
  {
    title: "a bare result, as old libcnis kept it",
    text: JSON.stringify(result),
    message: "it is not of the kind cniCacheV1",
  },
  { title: "a list", text: "[]", message: "it is not of the kind cniCacheV1" },
  {
    title: "of another kind",
    text: JSON.stringify(predecessors({ kind: "cniCacheV2" })),
    message: "it is not of the kind cniCacheV1",
  },
  {
    title: "without an id",
    text: JSON.stringify(predecessors({ containerId: undefined })),
    message: "it has no containerId or no config",
  },
  {
    title: "without a configuration",
    text: JSON.stringify(predecessors({ config: 7 })),
    message: "it has no containerId or no config",
  },
  {
    title: "with a configuration that is no JSON",
    text: JSON.stringify(predecessors({ config: "AAAA" })),
    message: "it is no JSON",
  },
  {
    title: "with a configuration without plugins",
    text: JSON.stringify(predecessors({ config: base64({ name: "pods" }) })),
    message: "it has neither a type nor plugins",
  },
  {
    title: "with arguments that are no pairs",
    text: JSON.stringify(predecessors({ cniArgs: ["IgnoreUnknown=1"] })),
    message: "its cniArgs are no pairs of texts",
  },
];
for (const { title, text, message } of damages) {
  test(`a file that is ${title} stays where it is, is told, and keeps no other from being read`, async (t) => {
    const { start, put, results, log } = setUp(t);
    const path = join(results, "damaged");
    put("damaged", text);
    put(`k8s-pods-${b}-eth0`, JSON.stringify(predecessors({ containerId: b })));
    const records = await start();
    assert.deepEqual(
      records.all().map(({ containerId }) => containerId),
      [b],
    );
    assert.equal(readFileSync(path, "utf8"), text);
    const [entry, ...more] = log.entries;
    assert.deepEqual([entry?.level, entry?.event], ["warn", "a CNI attachment's file is not understood"]);
    assert.equal(entry?.fields["path"], path);
    assert.equal(String(entry?.fields["error"]).slice(0, message.length), message);
    assert.deepEqual(more, []);
  });
}

test("a folder among the files is told, and keeps nothing from being read", async (t) => {
  const { start, put, results, log } = setUp(t);
  put(`k8s-pods-${a}-eth0`, JSON.stringify(predecessors()));
  mkdirSync(join(results, "folder"));
  assert.equal((await start()).all().length, 1);
  assert.equal(log.entries.length, 1);
});

test("what is left of a write that was broken off is removed; the file from before it counts", async (t) => {
  const { start, put, files, log } = setUp(t);
  await (await start()).save(record());
  put(`.${a}`, '{"kind":"cniCache');
  put(`.${b}`, "");
  assert.deepEqual((await start()).all(), [record()]);
  assert.deepEqual(files(), [`pods-${a}-eth0`]);
  assert.deepEqual(log.entries, []);
});
