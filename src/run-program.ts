import { execFile } from "node:child_process";
import { CriError, messageOf } from "./errors.js";

/**
 * Runs a program to its end.
 * @returns its standard output
 * @throws CriError failedPrecondition when it is not installed, deadline, internal with what it said
 */
export type Run = (
  program: string,
  args: string[],
  place?: { env?: NodeJS.ProcessEnv; cwd?: string },
) => Promise<string>;

/** What is run takes milliseconds; a loaded machine may take its time, and a file system may not answer. */
const limitMs = 30_000;

/** Debian's packages. */
const packages: Record<string, string> = {
  ip: "iproute2",
  tc: "iproute2",
  mount: "mount",
  umount: "mount",
  nsenter: "util-linux",
};

export const runProgram: Run = (program, args, place = {}) =>
  new Promise((resolve, reject) => {
    const options = { ...place, timeout: limitMs, killSignal: "SIGKILL" } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else reject(toCriError(program, args, error, stderr));
    });
  });

function toCriError(
  program: string,
  args: string[],
  error: { code?: string | number | null; killed?: boolean },
  stderr: string,
): CriError {
  const options = { cause: error };
  if (error.code === "ENOENT") {
    const hint = packages[program] === undefined ? "" : ` (of ${packages[program]})`;
    return new CriError("failedPrecondition", `${program}${hint} is not installed`, options);
  }
  const command = [program, ...args].join(" ");
  return error.killed
    ? new CriError("deadline", `${command}: no end within ${limitMs / 1000} s`, options)
    : new CriError("internal", `${command}: ${(stderr || messageOf(error)).trim()}`, options);
}
