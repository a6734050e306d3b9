import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compare, describe, parseExpectations, parseReport, type Spec } from "../conformance/compare.js";

const spec = (name: string, outcome: Spec["outcome"], message = ""): Spec => ({
  name,
  outcome,
  message,
  output: "",
});
const none = new Map<string, string>();
const whole = { partial: false };

test("an expectation file's comments and empty lines do not count", () => {
  const text = "# heading\n\n[k8s.io] Pod should live [Conformance] # not yet: issue 7 # maybe never\n";
  assert.deepEqual(
    [...parseExpectations(text)],
    [["[k8s.io] Pod should live [Conformance]", "not yet: issue 7 # maybe never"]],
  );
});

const badLines = [
  { title: "without a reason", text: "a spec\n", error: /line 1 is not of the form/ },
  { title: "with an empty reason", text: "# head\na spec # \n", error: /line 2 is not of the form/ },
  { title: "that comes twice", text: "a # b\na # c\n", error: /line 2 names a spec for the second time: a/ },
];
for (const { title, text, error } of badLines) {
  test(`an expectation ${title} is refused`, () => assert.throws(() => parseExpectations(text), error));
}

const verdicts = [
  { title: "a passing spec is fine", specs: [spec("a", "passed")], problems: [] },
  {
    title: "an unlisted failure is a problem",
    specs: [spec("a", "failed")],
    problems: ["a: passed, failed"],
  },
  { title: "an unlisted skip is a problem", specs: [spec("a", "skipped")], problems: ["a: passed, skipped"] },
  { title: "a listed failure is fine", specs: [spec("a", "failed")], failures: ["a"], problems: [] },
  { title: "a listed skip is fine", specs: [spec("a", "skipped")], skips: ["a"], problems: [] },
  {
    title: "a listed failure that passes is a problem",
    specs: [spec("a", "passed")],
    failures: ["a"],
    problems: ["a: failed, passed"],
  },
  {
    title: "a listed failure that is skipped is a problem",
    specs: [spec("a", "skipped")],
    failures: ["a"],
    problems: ["a: failed, skipped"],
  },
  {
    title: "a listed skip that fails is a problem",
    specs: [spec("a", "failed")],
    skips: ["a"],
    problems: ["a: skipped, failed"],
  },
  {
    title: "a listed skip that passes is a problem",
    specs: [spec("a", "passed")],
    skips: ["a"],
    problems: ["a: skipped, passed"],
  },
  {
    title: "a listed spec that does not exist is a problem",
    specs: [],
    failures: ["a"],
    skips: ["b"],
    problems: ["a: failed, absent", "b: skipped, absent"],
  },
  {
    title: "a listed spec may be absent when only some were asked for",
    specs: [spec("c", "passed")],
    failures: ["a"],
    skips: ["b"],
    partial: true,
    problems: [],
  },
];
for (const { title, specs, failures = [], skips = [], partial = false, problems } of verdicts) {
  test(title, () => {
    const reasons = (names: string[]) => new Map(names.map((name) => [name, "because"]));
    const verdict = compare(specs, reasons(failures), reasons(skips), { partial });
    assert.deepEqual(
      verdict.problems.map(({ name, expected, got }) => `${name}: ${expected}, ${got}`),
      problems,
    );
  });
}

for (const outcome of ["passed", "failed", "skipped"] as const) {
  test(`a spec that sometimes fails ${outcome === "skipped" ? "must not be" : "may have"} ${outcome}`, () => {
    const failures = new Map([["a", "sometimes: a race"]]);
    const { problems } = compare([spec("a", outcome)], failures, none, whole);
    assert.equal(problems.length, outcome === "skipped" ? 1 : 0);
  });
}

/** A report of Ginkgo's with one suite. */
const report = (specs: object[], reasons: string[] | null = null) =>
  JSON.stringify([{ SpecReports: specs, SpecialSuiteFailureReasons: reasons }]);
const it = (name: string, state: string, message?: string) => ({
  ContainerHierarchyTexts: ["[k8s.io] Pod", "when alone"],
  LeafNodeType: "It",
  LeafNodeText: name,
  State: state,
  ...(message === undefined
    ? {}
    : { Failure: { Message: message, Location: { FileName: "pod.go", LineNumber: 7 } } }),
});

test("a spec's name is what Ginkgo prints: the texts around it and its own", () => {
  const [first] = parseReport(report([it("should live", "passed")]));
  assert.equal(first?.name, "[k8s.io] Pod when alone should live");
});

for (const state of ["failed", "panicked", "timedout", "interrupted", "aborted"]) {
  test(`a spec that ${state} has failed`, () => {
    const [first] = parseReport(report([it("should live", state, "it died")]));
    assert.equal(first?.outcome, "failed");
    assert.equal(first?.message, "it died\n(pod.go:7)");
  });
}

test("a spec that a filter took out is absent, one that skips itself is not", () => {
  const specs = parseReport(report([it("one", "skipped"), it("two", "skipped", "no such feature")]));
  assert.deepEqual(
    specs.map(({ name, outcome }) => [name, outcome]),
    [["[k8s.io] Pod when alone two", "skipped"]],
  );
});

test("a suite's set-up is no spec, unless it fails", () => {
  const setUp = (state: string) => ({ LeafNodeType: "BeforeSuite", LeafNodeText: "", State: state });
  assert.deepEqual(parseReport(report([setUp("passed")])), []);
  assert.equal(parseReport(report([setUp("panicked")]))[0]?.name, "[BeforeSuite]");
});

test("a suite that ran out of time has failed, however well its specs did", () => {
  const specs = parseReport(report([it("one", "passed")], ["Suite Timeout Elapsed"]));
  assert.deepEqual(
    specs.map(({ outcome }) => outcome),
    ["passed", "failed"],
  );
});

test("the description ends with the count, in which an expected failure is a skipped test", () => {
  const specs = [
    spec("a", "passed"),
    spec("b", "failed"),
    spec("c", "skipped"),
    spec("d", "failed", "why\nso"),
  ];
  const failures = new Map([["b", "not yet"]]);
  const skips = new Map([["c", "not here"]]);
  const text = describe(compare(specs, failures, skips, whole), failures, skips);
  assert.match(text, /^critest: 1 passed, 1 failed, 2 skipped\n$/m);
  assert.match(text, /Failed as expected, counted as skipped:\n {2}b\n {6}not yet\n/);
  assert.match(text, /Skipped as expected:\n {2}c\n {6}not here\n/);
  assert.match(text, /failed: d\n {4}why\n {4}so\n/);
  assert.match(text, /^passed {3}failed {3}d$/m);
});

test("a run without problems has no table", () => {
  const text = describe(compare([spec("a", "passed")], none, none, whole), none, none);
  assert.equal(text, "critest: 1 passed, 0 failed, 0 skipped\n");
});

for (const name of ["expected-failures.txt", "expected-skips.txt"]) {
  test(`${name} can be read`, () => {
    const text = readFileSync(new URL(`../conformance/${name}`, import.meta.url), "utf8");
    assert.ok(parseExpectations(text).size > 0);
  });
}
