import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesLabels } from "../../../src/kube/filter.js";

const labels = { app: "web", tier: "front", empty: "" };

for (const [title, selector, expected] of [
  ["an empty selector selects everything", {}, true],
  ["one equal label selects", { app: "web" }, true],
  ["all labels of the selector must be equal", { app: "web", tier: "back" }, false],
  ["a label that is not there does not select", { release: "1" }, false],
  ["an empty value is a value", { empty: "" }, true],
  ["an empty value does not stand for an absent label", { absent: "" }, false],
  ["values are compared whole", { app: "we" }, false],
  ["values are compared by case", { app: "Web" }, false],
  ["what every object inherits is no label", { toString: "x", constructor: "Object" }, false],
] as [string, Record<string, string>, boolean][]) {
  test(title, () => assert.equal(matchesLabels(labels, selector), expected));
}

test("an object without labels is selected by an empty selector only", () => {
  assert.equal(matchesLabels({}, {}), true);
  assert.equal(matchesLabels({}, { app: "web" }), false);
});
