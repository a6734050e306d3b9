/** What the tests of logs share: chance, Docker's entries, and temporary folders. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "dockershim-logs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A time that tells entries apart. */
export const timeOf = (number: number): string =>
  `2024-05-01T10:00:00.${String(number).padStart(9, "0")}Z`.replace(/0+Z$/, "Z").replace(".Z", "Z");

/** An entry as Docker writes it: Go's escapes of HTML and of line separators, control characters as \u00xx. */
export function entry(
  text: string,
  options: { stream?: string; time?: string; attrs?: string } = {},
): string {
  const { stream = "stdout", time = "2024-05-01T10:00:00.1Z", attrs } = options;
  const log = JSON.stringify(text).replace(/\\[tbf]|[<>&\u2028\u2029]/g, escape);
  return `{"log":${log},"stream":"${stream}",${attrs ? `"attrs":${attrs},` : ""}"time":"${time}"}\n`;
}

const named: Record<string, string> = { "\\t": "\t", "\\b": "\b", "\\f": "\f" };
const escape = (found: string): string =>
  `\\u${(named[found] ?? found).charCodeAt(0).toString(16).padStart(4, "0")}`;
