/** Pressure stall information, from the text of a *.pressure file (pure; kernel, accounting/psi.rst). */
import type { Pressure, PressureLine } from "./usage.js";

/** @returns undefined where there is no such file, or one that says something else */
export function parsePressure(text: string | undefined): Pressure | undefined {
  const lines = (text ?? "").split("\n");
  const some = parseLine(lines.find((line) => line.startsWith("some ")));
  return some && { some, full: parseLine(lines.find((line) => line.startsWith("full "))) };
}

const form = /avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)/;

function parseLine(line = ""): PressureLine | undefined {
  const [, avg10, avg60, avg300, total = "0"] = form.exec(line) ?? [];
  if (avg10 === undefined) return undefined;
  return { avg10: Number(avg10), avg60: Number(avg60), avg300: Number(avg300), total: BigInt(total) };
}
