/** What benchmarks share: whole commands and their time, medians, and tables as README has them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/** Milliseconds that a command takes whose output nobody reads. @throws when it fails */
export async function timeCommand([program = "", ...args]: string[], stdin = "/dev/null"): Promise<number> {
  const input = openSync(stdin, "r");
  const started = performance.now();
  const child = spawn(program, args, { stdio: [input, "ignore", "pipe"] });
  closeSync(input);
  let complaint = "";
  child.stderr?.on("data", (data) => (complaint += String(data)));
  const [code] = (await once(child, "close")) as [number | null];
  const taken = performance.now() - started;
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}: ${complaint}`);
  return taken;
}

export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** The value that a share of all are not above: 0.5 is the median. NaN of nothing. */
export const quantile = (values: number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? NaN;

export const median = (values: number[]): number => quantile(values, 0.5);

/**
 * Runs all contestants in turn, so that a slow moment of the machine meets them all.
 * @returns each one's median
 */
export async function race<K extends string>(
  rounds: number,
  contestants: Record<K, () => Promise<number>>,
): Promise<Record<K, number>> {
  const names = Object.keys(contestants) as K[];
  const times = new Map<K, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) times.get(name)?.push(await contestants[name]());
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name) ?? [])])) as Record<K, number>;
}

export function printTable(header: string[], rows: string[][]): void {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  console.log([line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n"));
}

/** The machine and the versions, without which no number says anything. */
export async function describeMachine(docker: { version(): Promise<{ Version: string }> }): Promise<string> {
  const { Version } = await docker.version();
  const memory = Math.round(totalmem() / 2 ** 30);
  const model = cpus()[0]?.model.trim() ?? "?";
  return `${cpus().length} × ${model}, ${memory} GiB, Linux ${release()}, Node ${process.version}, Docker ${Version}`;
}
