/** Pods without an engine: a network namespace, the process that holds it, and servers inside. Needs root. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PodPorts } from "./pod-servers.js";
import { processesLike } from "../../../support/processes.js";

const servers = fileURLToPath(new URL("pod-servers.ts", import.meta.url));

export async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error("the child's standard output is not a pipe");
  for await (const line of createInterface(child.stdout)) return line;
  throw new Error(`${child.spawnargs.join(" ")} ended without a word`);
}

/** What this file started, for endAll. */
const children = new Set<ChildProcess>();

async function end(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Ends what a failed test has left. */
export const endAll = async (): Promise<void> => void (await Promise.all([...children].map(end)));

export interface Pause {
  pid: number;
  /** Resolves when the process is gone and waited for, its pid free. */
  end: () => Promise<void>;
}

/** A process in a new network, or with `shared` in our own. */
export async function startPause({ shared = false } = {}): Promise<Pause> {
  const enter = shared ? [] : ["unshare", "--net"];
  const script = `${shared ? "" : "ip link set lo up && "}echo ready && exec sleep infinity`;
  const [command = "", ...words] = [...enter, "sh", "-c", script];
  const child = spawn(command, words, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  if ((await firstLine(child)) !== "ready" || !child.pid) throw new Error("no network namespace");
  return { pid: child.pid, end: () => end(child) };
}

/** The same, as the process with that number: whoever starts next gets the number after the last one. */
export async function startPauseAs(pid: number, options = {}): Promise<Pause> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    await writeFile("/proc/sys/kernel/ns_last_pid", String(pid - 1));
    const pause = await startPause(options);
    if (pause.pid === pid) return pause;
    await pause.end();
  }
  throw new Error(`process ${pid} could not be had`);
}

/** Runs a shell script in the network of that process. */
export async function runIn({ pid }: Pause, script: string): Promise<void> {
  const words = [`--net=/proc/${pid}/ns/net`, "--", "sh", "-c", script];
  const [code] = (await once(spawn("nsenter", words, { stdio: "inherit" }), "exit")) as [number];
  if (code !== 0) throw new Error(`${script}: exit code ${code}`);
}

export interface Pod extends Pause {
  ports: PodPorts;
}

export async function startPod(pause?: Pause): Promise<Pod> {
  const { pid, end: endPause } = pause ?? (await startPause());
  const node = [process.execPath, ...process.execArgv, servers];
  const child = spawn("nsenter", [`--net=/proc/${pid}/ns/net`, "--", ...node], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const ports = JSON.parse(await firstLine(child)) as PodPorts;
  return { pid, ports, end: async () => void (await Promise.all([end(child), endPause()])) };
}

/** The helpers of the sandbox with that id, which is the last word of their command line. */
export const helpersOf = (key: string): Promise<number[]> =>
  processesLike(new RegExp(`helper\\.[jt]s ${key}$`));
