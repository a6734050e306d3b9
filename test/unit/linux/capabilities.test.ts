import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilityNames, namesOf } from "../../../src/host/capabilities.js";
import { toCapAdd } from "../../../src/linux/capabilities.js";

const everything = { capabilities: [...capabilityNames] };
const restricted = { capabilities: ["CHOWN", "NET_ADMIN"] };

for (const [title, wanted, host, expected] of [
  ["no capability is none", [], everything, []],
  [
    "single ones are asked for as the client wrote them",
    ["NET_ADMIN", "CAP_SYS_TIME"],
    everything,
    ["NET_ADMIN", "CAP_SYS_TIME"],
  ],
  ["ALL stays ALL on a host that has all", ["ALL"], everything, ["ALL"]],
  ["ALL is what a restricted host has", ["ALL"], restricted, ["CHOWN", "NET_ADMIN"]],
  ["ALL is understood in small letters", ["all"], restricted, ["CHOWN", "NET_ADMIN"]],
  ["ALL covers what is named beside it", ["NET_ADMIN", "ALL"], restricted, ["CHOWN", "NET_ADMIN"]],
  [
    "a single one that a restricted host lacks is Docker's to refuse",
    ["SYS_ADMIN"],
    restricted,
    ["SYS_ADMIN"],
  ],
] as [string, string[], { capabilities: string[] }, string[]][]) {
  test(title, () => assert.deepEqual(toCapAdd(wanted, host), expected));
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
