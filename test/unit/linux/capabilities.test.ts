import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilityNames, missingCapabilities, namesOf } from "../../../src/host/capabilities.js";
import { toCapDrop } from "../../../src/linux/capabilities.js";

const everything = { missingCapabilities: [] };
const restricted = { missingCapabilities: ["SYS_ADMIN", "SYS_RESOURCE"] };

const lacking = ["SYS_ADMIN", "SYS_RESOURCE"];

for (const [title, added, dropped, host, expected] of [
  ["what the client drops is dropped", ["NET_ADMIN"], ["CHOWN"], everything, ["CHOWN"]],
  ["ALL on a host that has all drops nothing", ["ALL"], [], everything, []],
  ["ALL on a restricted host is without what the host lacks", ["ALL"], [], restricted, lacking],
  ["ALL is understood in small letters", ["all"], [], restricted, lacking],
  ["what the client drops of ALL is dropped once", ["ALL"], ["SYS_ADMIN"], restricted, lacking],
  ["a single one that a restricted host lacks is Docker's to refuse", ["SYS_ADMIN"], [], restricted, []],
] as [string, string[], string[], { missingCapabilities: string[] }, string[]][]) {
  test(title, () => assert.deepEqual(toCapDrop(added, dropped, host), expected));
}

for (const [mask, names] of [
  [0n, []],
  [1n, ["CHOWN"]],
  [1n << 24n, ["SYS_RESOURCE"]],
  [1n << 40n, ["CHECKPOINT_RESTORE"]],
  [(1n << 12n) | (1n << 21n), ["NET_ADMIN", "SYS_ADMIN"]],
  // A kernel newer than this list.
  [1n << 60n, []],
] as [bigint, string[]][]) {
  test(`the mask 0x${mask.toString(16)} reads as ${names.join(", ") || "nothing known"}`, () => {
    assert.deepEqual(namesOf(mask), names);
  });
}

test("a full mask has every capability once", () => {
  assert.deepEqual(namesOf((1n << 41n) - 1n), capabilityNames);
  assert.equal(new Set(capabilityNames).size, 41);
});

const everyBit = (1n << 41n) - 1n;
const withoutResource = everyBit & ~(1n << 24n);
for (const [title, mask, last, api, expected] of [
  ["a process with all of them lacks none", everyBit, 40, "1.41", []],
  ["what it lacks is named", withoutResource, 40, "1.41", ["SYS_RESOURCE"]],
  ["an older kernel's list is shorter, and nothing after it is missing", (1n << 37n) - 1n, 36, "1.41", []],
  ["what an old engine does not know is not missing to it", (1n << 38n) - 1n, 40, "1.41", []],
  ["engines since API 1.42 see to it themselves", withoutResource, 40, "1.42", []],
  ["engines of API 2 would, too", withoutResource, 40, "2.0", []],
] as [string, bigint, number, string, string[]][]) {
  test(`missing capabilities: ${title}`, () =>
    assert.deepEqual(missingCapabilities(mask, last, api), expected));
}
