import { readdirSync, readFileSync } from "node:fs";

/**
 * The pids of the processes with that name, as far as they can be seen, one by one as they are looked for. A full node
 * has thousands of processes: all opened at the same time they would be more files than a program may have open, and
 * the kernel answers for each within microseconds.
 */
export function* processesNamed(command: string): Generator<string> {
  for (const pid of readdirSync("/proc")) {
    if (/^\d+$/.test(pid) && nameOf(pid) === command) yield pid;
  }
}

/** proc(5); undefined for one that has ended. */
function nameOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}
