/** The fake engine's execs: what commands say is scripted, and comes in Docker's multiplexed frames. */
import { randomBytes } from "node:crypto";
import type { ContainerInspect, ExecInspect, TerminalSize } from "../../src/docker/engine.js";
import { FakeProcess } from "./fake-process.js";
import { refusal } from "./fake-refusal.js";

export interface Script {
  stdout?: string | Buffer;
  stderr?: string | Buffer;
  exitCode?: number;
  /** It says what it has to say and then runs until somebody kills it. */
  hangs?: boolean;
}

interface Exec extends ExecInspect {
  command: string;
  script: Script;
  tty: boolean;
  process: FakeProcess | undefined;
}

export class FakeExecs {
  /** By the words of the command, joined by spaces. */
  readonly scripts = new Map<string, Script>();
  /** Those that were started, oldest first. */
  readonly processes: FakeProcess[] = [];
  /** Sizes that terminals of execs were given, all in one row. */
  readonly sizes: TerminalSize[] = [];
  readonly #all = new Map<string, Exec>();

  create({ Id, State }: ContainerInspect, cmd: readonly string[], tty: boolean): { id: string } {
    if (!State.Running) throw refusal(409, `Container ${Id} is not running`);
    if (State.Paused) throw refusal(409, `Container ${Id} is paused, unpause the container before exec`);
    const command = cmd.join(" ");
    const script = this.scripts.get(command) ?? {
      stdout: `OCI runtime exec failed: exec: "${cmd[0]}": executable file not found in $PATH: unknown\r\n`,
      exitCode: 126,
    };
    const id = randomBytes(32).toString("hex");
    this.#all.set(id, { Running: false, ExitCode: null, Pid: 0, command, script, tty, process: undefined });
    return { id };
  }

  /** @param gone fires when the engine goes down */
  start(id: string, gone: AbortSignal): FakeProcess {
    const exec = this.#find(id);
    const { script, tty } = exec;
    const process = new FakeProcess(tty);
    // No process has a pid like this one, so nobody is hurt when it is killed.
    this.processes.push(process);
    Object.assign(exec, { process, Running: true, Pid: 2 ** 22 + this.#all.size });
    const die = () => process.destroy(gone.reason as Error);
    gone.addEventListener("abort", die, { once: true });
    process.once("close", () => gone.removeEventListener("abort", die));
    for (const name of ["stdout", "stderr"] as const) process.say(script[name] ?? "", name);
    if (!script.hangs) finish(exec);
    return process;
  }

  /** What hung comes to its end after all. */
  finish(command: string): void {
    for (const exec of this.#all.values()) if (exec.command === command && exec.Running) finish(exec);
  }

  inspect(id: string): ExecInspect {
    const { Running, ExitCode, Pid } = this.#find(id);
    return { Running, ExitCode, Pid };
  }

  resize(id: string, size: TerminalSize): void {
    if (!this.#find(id).Running) throw refusal(500, "timeout waiting for exec session ready");
    this.sizes.push(size);
  }

  #find(id: string): Exec {
    const exec = this.#all.get(id);
    if (!exec) throw refusal(404, `No such exec instance: ${id}`);
    return exec;
  }
}

function finish(exec: Exec): void {
  exec.process?.closeOutput();
  Object.assign(exec, { Running: false, ExitCode: exec.script.exitCode ?? 0 });
}
