import { readdir, readFile } from "node:fs/promises";

/** The pids of the processes with that name, as far as they can be seen. */
export async function findProcesses(command: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")));
  return pids.filter((_, index) => names[index]?.trim() === command);
}
