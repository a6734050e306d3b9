/** Who serves a socket, and the CPU that servers have used (proc(5)). */
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { usageOf } from "../support/processes.js";

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

/**
 * The daemons of a Docker Engine: the one that listens there, and what it has started and keeps (its containerd). Not
 * the shims: hundreds of them wake up now and then, whatever anybody asks.
 */
export async function engineOf(socketPath: string): Promise<number[]> {
  const pid = await serverOf(socketPath);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return [pid, ...children.split(" ").filter(Boolean).map(Number)];
}

/** Seconds of CPU that these processes have used so far. */
export async function cpuOf(pids: number[]): Promise<number> {
  const used = await Promise.all(pids.map(usageOf));
  return used.reduce((sum, { cpu }) => sum + cpu, 0);
}
