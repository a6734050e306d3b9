// Judges a critest run: which specs failed or were skipped although nobody expects it, and which lines of
// expected-failures.txt and expected-skips.txt are no longer true. Pure functions, and a few lines at the end
// that read the files and print.
import { readFileSync } from "node:fs";
import process, { argv, stdout } from "node:process";
import { fileURLToPath } from "node:url";

export type Outcome = "passed" | "failed" | "skipped";

export interface Spec {
  name: string;
  outcome: Outcome;
  /** Why it failed or was skipped, in critest's words. */
  message: string;
  /** What it did until then. */
  output: string;
}

/** The reason of each expected spec, by the spec's name. */
export type Expectations = ReadonlyMap<string, string>;

export interface Problem {
  name: string;
  expected: string;
  got: string;
  /** Present when the spec ran and explains itself. */
  spec?: Spec;
}

export interface Verdict {
  passed: Spec[];
  expectedFailures: Spec[];
  expectedSkips: Spec[];
  problems: Problem[];
}

/** Lines of `spec's full text # reason`; lines that begin with # are comments. */
export function parseExpectations(text: string): Expectations {
  const reasons = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^(\S.*?)\s+#\s+(\S.*)$/.exec(line);
    const [, name = "", reason = ""] = match ?? [];
    if (!match) throw new Error(`line ${index + 1} is not of the form "spec # reason": ${line}`);
    if (reasons.has(name)) throw new Error(`line ${index + 1} names a spec for the second time: ${name}`);
    reasons.set(name, reason);
  }
  return reasons;
}

/** The parts of Ginkgo's JSON report that matter here. */
interface SuiteReport {
  SpecialSuiteFailureReasons?: string[] | null;
  SpecReports: SpecReport[] | null;
}
interface SpecReport {
  ContainerHierarchyTexts?: string[] | null;
  LeafNodeType: string;
  LeafNodeText: string;
  State: string;
  Failure?: { Message: string; Location?: { FileName: string; LineNumber: number } };
  CapturedGinkgoWriterOutput?: string;
}

/** The specs that ran, or said themselves why they did not; what a filter took out is absent. */
export function parseReport(json: string): Spec[] {
  const suites = JSON.parse(json) as SuiteReport[];
  return suites.flatMap((suite) => [
    ...(suite.SpecReports ?? []).flatMap(toSpec),
    ...(suite.SpecialSuiteFailureReasons ?? []).flatMap(toSuiteFailure),
  ]);
}

function toSpec(report: SpecReport): Spec[] {
  const isSpec = report.LeafNodeType === "It";
  const outcome = toOutcome(report.State);
  const message = report.Failure?.Message ?? "";
  // BeforeSuite and its kind are no tests, but may fail.
  if (!isSpec && outcome !== "failed") return [];
  if (outcome === "skipped" && message === "") return [];
  const location = report.Failure?.Location;
  return [
    {
      name: isSpec
        ? [...(report.ContainerHierarchyTexts ?? []), report.LeafNodeText].join(" ")
        : `[${report.LeafNodeType}]`,
      outcome,
      message: location ? `${message}\n(${location.FileName}:${location.LineNumber})` : message,
      output: report.CapturedGinkgoWriterOutput ?? "",
    },
  ];
}

/** Ginkgo tells panicked, timedout, interrupted and aborted from failed; for us they are the same. */
function toOutcome(state: string): Outcome {
  if (state === "passed") return "passed";
  return state === "skipped" || state === "pending" ? "skipped" : "failed";
}

/** Such as a timeout, after which the remaining specs did not run. That a spec failed is told by the spec. */
function toSuiteFailure(reason: string): Spec[] {
  if (/^Detected .*Programmatic Focus/i.test(reason)) return [];
  return [{ name: `[suite] ${reason}`, outcome: "failed", message: reason, output: "" }];
}

/** Such a spec depends on a race: it may pass as well. */
const isUncertain = (reason: string | undefined) => reason?.startsWith("sometimes: ") ?? false;

/** partial: only some specs were asked for (--focus), so an expected one may be absent. */
export function compare(
  specs: readonly Spec[],
  failures: Expectations,
  skips: Expectations,
  { partial }: { partial: boolean },
): Verdict {
  const expectationOf = (name: string): Outcome =>
    failures.has(name) ? "failed" : skips.has(name) ? "skipped" : "passed";
  const isExpected = ({ name, outcome }: Spec) =>
    outcome === expectationOf(name) || (outcome === "passed" && isUncertain(failures.get(name)));
  const asExpected = (outcome: Outcome) =>
    specs.filter((spec) => spec.outcome === outcome && isExpected(spec));
  const seen = new Set(specs.map((spec) => spec.name));
  const absent = partial ? [] : [...failures.keys(), ...skips.keys()].filter((name) => !seen.has(name));

  return {
    passed: asExpected("passed"),
    expectedFailures: asExpected("failed"),
    expectedSkips: asExpected("skipped"),
    problems: [
      ...specs
        .filter((spec) => !isExpected(spec))
        .map((spec) => ({ name: spec.name, expected: expectationOf(spec.name), got: spec.outcome, spec })),
      ...absent.map((name) => ({ name, expected: expectationOf(name), got: "absent" })),
    ],
  };
}

/**
 * What a person reads. The last line counts: an expected failure as skipped, since nobody looks at it, and
 * every problem as failed, also the one of a spec that passes against its line.
 */
export function describe(verdict: Verdict, failures: Expectations, skips: Expectations): string {
  const listed = (title: string, specs: readonly Spec[], reasons: Expectations) =>
    specs.length === 0
      ? []
      : [title, ...specs.map((spec) => `  ${spec.name}\n      ${reasons.get(spec.name) ?? ""}`), ""];
  const { passed, expectedFailures, expectedSkips, problems } = verdict;
  return [
    ...listed("Failed as expected, counted as skipped:", expectedFailures, failures),
    ...listed("Skipped as expected:", expectedSkips, skips),
    ...problems.flatMap(describeInFull),
    ...describeTable(problems),
    `critest: ${passed.length} passed, ${problems.length} failed, ` +
      `${expectedFailures.length + expectedSkips.length} skipped`,
    "",
  ].join("\n");
}

/** Gomega prints whole objects after the error's own words, which come first; the report has it all. */
function describeInFull({ name, spec }: Problem): string[] {
  if (!spec || spec.outcome === "passed") return [];
  const lines = (text: string) => text.trimEnd().split("\n");
  const indent = (text: string) => `    ${text.slice(0, 500)}`;
  const [location = ""] = lines(spec.message).slice(-1);
  return [
    `${spec.outcome}: ${name}`,
    ...lines(spec.message).slice(0, 4).map(indent),
    ...(lines(spec.message).length > 4 ? ["    ...", indent(location)] : []),
    ...(spec.output.trim() === "" ? [] : ["  after:", ...lines(spec.output).slice(-5).map(indent)]),
    "",
  ];
}

function describeTable(problems: readonly Problem[]): string[] {
  if (problems.length === 0) return [];
  const row = (expected: string, got: string, name: string) => `${expected.padEnd(9)}${got.padEnd(9)}${name}`;
  return [
    "Differences from expected-failures.txt and expected-skips.txt:",
    row("EXPECTED", "GOT", "SPEC"),
    ...problems.map(({ expected, got, name }) => row(expected, got, name)),
    "",
  ];
}

function main(args: readonly string[]): number {
  const [report, ...options] = args;
  if (report === undefined || options.some((option) => option !== "--partial")) {
    stdout.write("usage: node --import tsx test/conformance/compare.ts REPORT.json [--partial]\n");
    return 2;
  }
  const read = (name: string) => parseExpectations(readFileSync(new URL(name, import.meta.url), "utf8"));
  const failures = read("expected-failures.txt");
  const skips = read("expected-skips.txt");
  const specs = parseReport(readFileSync(report, "utf8"));
  if (specs.length === 0) {
    stdout.write("no spec ran\n");
    return 2;
  }
  const verdict = compare(specs, failures, skips, { partial: options.includes("--partial") });
  stdout.write(describe(verdict, failures, skips));
  return verdict.problems.length === 0 ? 0 : 1;
}

// Not process.exit: what was written to a pipe may still be under way.
if (argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(argv.slice(2));
