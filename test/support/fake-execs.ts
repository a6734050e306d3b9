/** The fake engine's execs: what commands say is scripted, and comes in Docker's multiplexed frames. */
import { randomBytes } from "node:crypto";
import { PassThrough, type Duplex } from "node:stream";
import type { ContainerInspect, ExecInspect } from "../../src/docker/engine.js";
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
  stream: Duplex | undefined;
}

const frameTypes = { stdout: 1, stderr: 2 };

export class FakeExecs {
  /** By the words of the command, joined by spaces. */
  readonly scripts = new Map<string, Script>();
  /** The streams of those that were started, oldest first. */
  readonly streams: Duplex[] = [];
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
    this.#all.set(id, { Running: false, ExitCode: null, Pid: 0, command, script, tty, stream: undefined });
    return { id };
  }

  /** @param gone fires when the engine goes down */
  start(id: string, gone: AbortSignal): Duplex {
    const exec = this.#find(id);
    const { script, tty } = exec;
    const stream = new PassThrough();
    // No process has a pid like this one, so nobody is hurt when it is killed.
    this.streams.push(stream);
    Object.assign(exec, { stream, Running: true, Pid: 2 ** 22 + this.#all.size });
    const die = () => stream.destroy(gone.reason as Error);
    gone.addEventListener("abort", die, { once: true });
    stream.once("close", () => gone.removeEventListener("abort", die));
    for (const name of ["stdout", "stderr"] as const) {
      const data = Buffer.from(script[name] ?? "");
      if (data.length === 0) continue;
      const bytes = tty ? data : frame(frameTypes[name], data);
      // A header in two pieces, as a socket may bring it.
      stream.write(bytes.subarray(0, 3));
      stream.write(bytes.subarray(3));
    }
    if (!script.hangs) finish(exec);
    return stream;
  }

  /** What hung comes to its end after all. */
  finish(command: string): void {
    for (const exec of this.#all.values()) if (exec.command === command && exec.Running) finish(exec);
  }

  inspect(id: string): ExecInspect {
    const { Running, ExitCode, Pid } = this.#find(id);
    return { Running, ExitCode, Pid };
  }

  #find(id: string): Exec {
    const exec = this.#all.get(id);
    if (!exec) throw refusal(404, `No such exec instance: ${id}`);
    return exec;
  }
}

function finish(exec: Exec): void {
  exec.stream?.end();
  Object.assign(exec, { Running: false, ExitCode: exec.script.exitCode ?? 0 });
}

function frame(type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
