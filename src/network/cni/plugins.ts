/** CNI plugins as programs: found in the plugin directories, run once for each command. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CriError, messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import { observed, unobserved, type Observer } from "../../observer.js";
import type { Json } from "./conf.js";
import { parseFailure, parseSupportedVersions, tryAgainCode } from "./result.js";

export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

export interface PluginCall {
  type: string;
  command: CniCommand;
  /** For standard input. */
  input: Json;
  /** What the environment says of the attachment. */
  environment?: Record<string, string>;
}

/** One run, for whoever is told of them. */
export interface PluginRun {
  type: string;
  command: CniCommand;
  /** Absent when it is not about one. */
  sandboxId?: string;
}

export interface PluginsOptions {
  /** Searched in this order. */
  directories: readonly string[];
  /** Milliseconds that one run may take. */
  timeoutMs: number;
  observer?: Observer<PluginRun>;
  log: Log;
}

/** A result has some hundred bytes. */
const maxOutputBytes = 4 * 1024 * 1024;
const maxStderrBytes = 4096;
/** For what a plugin wrote just before it ended; a daemon that it left behind may hold its output open for ever. */
const outputGraceMs = 1000;
/** A program that is being written cannot be run: an update of the plugins is under way. */
const busyTries = 5;

interface Ended {
  stdout: string;
  stderr: string;
  /** An exit code, or the signal's name. */
  status: number | NodeJS.Signals;
}

export class Plugins {
  readonly #closing = new AbortController();
  /** By path, with what tells one file from the next. */
  readonly #versions = new Map<string, { identity: string; supported: string[] }>();

  constructor(private readonly options: PluginsOptions) {}

  /** Where the plugin is. @throws CriError failedPrecondition when it is in none of the directories */
  async find(type: string): Promise<string> {
    for (const directory of this.options.directories) {
      const path = join(directory, type);
      const isProgram = await access(path, constants.X_OK)
        .then(async () => (await stat(path)).isFile())
        .catch(() => false);
      if (isProgram) return path;
    }
    throw new CriError(
      "failedPrecondition",
      `CNI plugin ${JSON.stringify(type)} is not in ${this.options.directories.join(", ")}`,
    );
  }

  /**
   * Runs a plugin and returns what it printed. It has its own process group, and when the time is over or the signal
   * fires, all of that is killed.
   * @throws CriError with the plugin's own message: unavailable when it asks to be tried again later, deadline,
   *   cancelled, failedPrecondition when it is not there, internal for the rest
   */
  run(call: PluginCall, signal?: AbortSignal): Promise<string> {
    const { type, command, environment } = call;
    const sandboxId = environment?.["CNI_CONTAINERID"];
    const about = { type, command, ...(sandboxId === undefined ? {} : { sandboxId }) };
    return observed(this.options.observer ?? unobserved, about, () => this.#run(call, signal));
  }

  async #run({ type, command, input, environment = {} }: PluginCall, signal?: AbortSignal): Promise<string> {
    const path = await this.find(type);
    const name = `CNI plugin ${JSON.stringify(type)} (${command})`;
    const { timeoutMs, directories, log } = this.options;
    const late = AbortSignal.timeout(timeoutMs);
    const limit = AbortSignal.any([late, this.#closing.signal, ...(signal ? [signal] : [])]);
    const env = {
      ...process.env,
      ...environment,
      CNI_COMMAND: command,
      CNI_PATH: directories.join(delimiter),
    };
    const begun = performance.now();
    let ended: Ended;
    try {
      ended = await execute(path, JSON.stringify(input), env, limit);
    } catch (error) {
      if (late.aborted) throw new CriError("deadline", `${name} did not end within ${timeoutMs / 1000} s`);
      if (signal?.aborted)
        throw new CriError("cancelled", `${name} was ended: the client cancelled the request`);
      if (this.#closing.signal.aborted)
        throw new CriError("cancelled", `${name} was ended: the server is stopping`);
      throw new CriError("internal", `${name} ${messageOf(error)}`, { cause: error });
    }
    const milliseconds = Math.round(performance.now() - begun);
    const sandboxId = environment["CNI_CONTAINERID"];
    log.debug("CNI plugin ended", { plugin: type, command, sandboxId, status: ended.status, milliseconds });
    if (ended.status !== 0) throw toError(name, ended);
    return ended.stdout;
  }

  /** The CNI versions that a plugin knows; asked again when its file is another one. */
  async versionsOf(type: string, cniVersion: string): Promise<string[]> {
    const path = await this.find(type);
    const { ino, size, mtimeMs } = await stat(path);
    const identity = [ino, size, mtimeMs].join();
    const known = this.#versions.get(path);
    if (known?.identity === identity) return known.supported;
    // Plugins that were built with an old library want these, although it is not about an interface.
    const environment = { CNI_NETNS: "dummy", CNI_IFNAME: "dummy" };
    const text = await this.run({ type, command: "VERSION", input: { cniVersion }, environment });
    const supported = parseSupportedVersions(text);
    if (!supported) throw noJson(`CNI plugin ${JSON.stringify(type)} (VERSION)`, text);
    this.#versions.set(path, { identity, supported });
    return supported;
  }

  /** Kills what runs, and whatever is run later at once. */
  close(): void {
    this.#closing.abort();
  }
}

/** @throws CriError internal: the plugin said that all is well, and not what came of it */
export const noJson = (name: string, text: string): CriError =>
  new CriError("internal", `${name} printed no JSON object but ${excerpt(text)}`);

function toError(name: string, { stdout, stderr, status }: Ended): CriError {
  const failure = parseFailure(stdout);
  if (failure) {
    return new CriError(
      failure.code === tryAgainCode ? "unavailable" : "internal",
      `${name} failed: ${failure.message}`,
    );
  }
  const how = typeof status === "number" ? `ended with exit code ${status}` : `was killed by ${status}`;
  const said = stderr.trim() || stdout.trim();
  return new CriError(
    "internal",
    `${name} ${how}${said === "" ? " and said nothing" : `: ${excerpt(said)}`}`,
  );
}

const excerpt = (text: string): string =>
  JSON.stringify(text.length > 500 ? `${text.slice(0, 500)}...` : text);

async function execute(
  path: string,
  input: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Ended> {
  for (let tries = 1; ; tries++) {
    try {
      return await executeOnce(path, input, env, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ETXTBSY" || tries === busyTries) throw error;
      await delay(1000, undefined, { signal });
    }
  }
}

function executeOnce(
  path: string,
  input: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(path, [], { env, stdio: "pipe", detached: true });
    const stdout: Buffer[] = [];
    let size = 0;
    let stderr = "";
    let failure: Error | undefined;
    const kill = (reason: Error): void => {
      failure ??= reason;
      // The plugins that it delegates to are in its process group. Both may be gone.
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    const abort = () => kill(new Error("took too long"));
    signal.addEventListener("abort", abort, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxOutputBytes) stdout.push(chunk);
      else kill(new Error(`printed more than ${maxOutputBytes} bytes`));
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(0, maxStderrBytes);
    });
    // A plugin that does not care for its input may close it.
    child.stdin.on("error", () => undefined).end(input);
    child.on("error", (error) => {
      if (child.pid !== undefined) return;
      signal.removeEventListener("abort", abort);
      reject(
        Object.assign(new Error(`cannot be run: ${error.message}`), {
          code: (error as NodeJS.ErrnoException).code,
        }),
      );
    });
    child.on("exit", () => {
      const timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, outputGraceMs);
      child.once("close", () => clearTimeout(timer));
    });
    child.on("close", (code, killedBy) => {
      signal.removeEventListener("abort", abort);
      if (failure) reject(failure);
      else resolve({ stdout: Buffer.concat(stdout).toString(), stderr, status: killedBy ?? code ?? 0 });
    });
  });
}
