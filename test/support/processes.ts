/** What this machine runs, as /proc tells (proc(5)). */
import { readdir, readFile } from "node:fs/promises";
import { eventually } from "./eventually.js";

/** Command lines by pid, their words joined by spaces; not our own. */
async function commandLines(): Promise<Map<number, string>> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      return [Number(pid), line.split("\0").join(" ").trimEnd()] as const;
    }),
  );
  return new Map(lines);
}

/** Pids of those whose command line matches. */
export async function processesLike(pattern: RegExp): Promise<number[]> {
  return [...(await commandLines())].filter(([, line]) => pattern.test(line)).map(([pid]) => pid);
}

export const runs = (word: string) =>
  eventually(`${word} runs`, async () => (await processesLike(new RegExp(word))).length > 0);
export const gone = (word: string) =>
  eventually(`no ${word} is left`, async () => (await processesLike(new RegExp(word))).length === 0);

/** Seconds of CPU that a process has used, and its resident memory in MiB. */
export async function usageOf(pid: number): Promise<{ cpu: number; rss: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 14 and 15, in hundredths of a second; 24, in pages of 4 KiB.
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: Number(fields[21]) / 256 };
}
