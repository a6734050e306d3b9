/**
 * Ends a process and all that it started. Docker has no call for it; the process is found by the pid that
 * exec inspect reports, which is the engine's view of pids, so we must share its pid namespace.
 */
import { readdir, readFile } from "node:fs/promises";
import { CriError } from "../errors.js";

export type KillSession = (pid: number, containerId: string) => Promise<void>;
export type SignalSession = (pid: number, containerId: string, name: NodeJS.Signals) => Promise<void>;

export interface ProcessStat {
  pid: number;
  parent: number;
  session: number;
}

/** Fields 1, 4 and 6 of /proc/<pid>/stat (proc(5)); the command may hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat | undefined {
  const pid = Number.parseInt(text, 10);
  const [, parent, , session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (!Number.isInteger(pid) || parent === undefined || session === undefined) return undefined;
  return { pid, parent: Number(parent), session: Number(session) };
}

/**
 * The root, its descendants, and everything in its session: runc makes each exec a session leader (setsid),
 * so children whose parent has left are found as well (pure).
 */
export function membersOf(root: number, processes: ProcessStat[]): number[] {
  const members = new Set([root]);
  for (const { pid, session } of processes) if (session === root) members.add(pid);
  for (let grew = true; grew;) {
    grew = false;
    for (const { pid, parent } of processes) {
      if (members.has(parent) && !members.has(pid)) grew = Boolean(members.add(pid));
    }
  }
  return [...members];
}

/**
 * Stops every member first, so that none can fork while it is looked at, until a look finds no new one; then
 * kills them all. A pid that is not in the container's cgroup is left alone: it has been given to another.
 */
export const killSession: KillSession = async (pid, containerId) => {
  if (pid <= 0) return;
  const stopped = new Set<number>();
  for (let grew = true; grew;) {
    grew = false;
    for (const member of membersOf(pid, await readProcesses())) {
      if (stopped.has(member) || !(await isIn(member, containerId))) continue;
      signal(member, "SIGSTOP");
      stopped.add(member);
      grew = true;
    }
  }
  for (const member of stopped) signal(member, "SIGKILL");
};

/** Sends a signal to every member once. */
export const signalSession: SignalSession = async (pid, containerId, name) => {
  if (pid <= 0) return;
  for (const member of membersOf(pid, await readProcesses())) {
    if (await isIn(member, containerId)) signal(member, name);
  }
};

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    throw new CriError("internal", `cannot send ${name} to process ${pid}`, { cause: error });
  }
}

const isIn = async (pid: number, containerId: string): Promise<boolean> =>
  (await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "")).includes(containerId);

async function readProcesses(): Promise<ProcessStat[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  return stats.map(parseStat).filter((stat) => stat !== undefined);
}
