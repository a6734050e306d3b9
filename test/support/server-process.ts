/** Our server as a process of its own: to be measured, and to be killed. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Config } from "../../src/config.js";

export interface ServerProcess {
  pid: number;
  /** What it has logged so far. */
  log(): string;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  close(): Promise<void>;
}

const inProject = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/**
 * Resolves when it serves.
 * @param built runs dist/main.js, which `npm run build` makes, instead of the sources
 * @param through a command that becomes the one that follows it
 */
export async function spawnServer(
  config: Config,
  { built = false, through = [] as string[] } = {},
): Promise<ServerProcess> {
  const program = built ? [inProject("dist/main.js")] : ["--import", "tsx", inProject("src/main.ts")];
  const [command = "", ...args] = [...through, process.execPath, ...program, ...flagsOf(config)];
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  const exited = once(child, "exit");
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-100_000);
      if (log.includes("serving")) resolve();
    });
    // After its end, when all that it said has been read.
    child.once("close", (code, signal) =>
      reject(new Error(`the server ended (${signal ?? `exit code ${code}`}): ${log}`)),
    );
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    pid: pidOf(child),
    log: () => log,
    kill: () => end("SIGKILL"),
    close: () => end("SIGTERM"),
  };
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error("the server did not start");
  return pid;
}

const flagsOf = (config: Config): string[] => [
  `--container-runtime-endpoint=unix://${config.socketPath}`,
  `--docker-endpoint=unix://${config.dockerSocketPath}`,
  `--root-directory=${config.rootDirectory}`,
  `--pod-infra-container-image=${config.sandboxImage}`,
  `--network-plugin=${config.networkPlugin}`,
  `--cni-conf-dir=${config.cni.confDirectory}`,
  `--cni-bin-dir=${config.cni.binDirectories.join(",")}`,
  `--cni-timeout=${config.cni.timeout}ms`,
  `--cni-cache-dir=${config.cni.cacheDirectory}`,
  `--container-log-format=${config.containerLogFormat}`,
  // Whether it serves is seen in its log.
  "--log-level=info",
];
