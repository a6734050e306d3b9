import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilityNames, namesOf } from "../../../src/host/capabilities.js";
import { toCapDrop } from "../../../src/linux/capabilities.js";

const everything = { capabilities: [...capabilityNames] };
const restricted = { capabilities: ["CHOWN", "NET_ADMIN"] };

const lacking = capabilityNames.filter((name) => !restricted.capabilities.includes(name));

for (const [title, added, dropped, host, expected] of [
  ["what the client drops is dropped", ["NET_ADMIN"], ["CHOWN"], everything, ["CHOWN"]],
  ["ALL on a host that has all drops nothing", ["ALL"], [], everything, []],
  ["ALL on a restricted host is without what the host lacks", ["ALL"], [], restricted, lacking],
  ["ALL is understood in small letters", ["all"], [], restricted, lacking],
  [
    "what the client drops of ALL is dropped once",
    ["ALL"],
    ["SYS_ADMIN"],
    restricted,
    ["SYS_ADMIN", ...lacking.filter((name) => name !== "SYS_ADMIN")],
  ],
  ["a single one that a restricted host lacks is Docker's to refuse", ["SYS_ADMIN"], [], restricted, []],
] as [string, string[], string[], { capabilities: string[] }, string[]][]) {
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
