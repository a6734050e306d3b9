/** Who serves a socket, and what the processes of the node have used (proc(5)). */
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The process that listens there. @throws when none of this node does */
export async function serverOf(socketPath: string): Promise<number> {
  const { ino, dev } = await stat(socketPath);
  // Servers may have bound another name and renamed that: the file is known by its number only (dev_t of Linux).
  const file = ` ino:${ino} dev:${(dev >> 8) & 0xfff}/${(dev & 0xff) | ((dev >> 12) & 0xfff00)} `;
  const { stdout } = await run("ss", ["--unix", "--listening", "--processes", "--extended", "--no-header"]);
  const [, pid] = /,pid=(\d+),/.exec(stdout.split("\n").find((line) => line.includes(file)) ?? "") ?? [];
  if (pid === undefined) throw new Error(`no process of this node listens on ${socketPath}`);
  return Number(pid);
}

const pids = async (): Promise<string[]> => (await readdir("/proc")).filter((name) => /^\d+$/.test(name));

/**
 * Seconds of CPU that all processes have used so far, but for ourselves and those left out: servers, engines, their
 * helpers and shims. What has ended is counted with the parent that took notice.
 */
export async function cpuOfNode(leftOut: number[]): Promise<number> {
  const counted = (await pids()).filter((pid) => ![process.pid, ...leftOut].includes(Number(pid)));
  const used = counted.map(async (pid) => {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // Fields 14 to 17: user and system time, its own and its children's, in hundredths of a second.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  });
  return (await Promise.all(used)).reduce((sum, seconds) => sum + seconds, 0);
}
