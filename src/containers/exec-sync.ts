import { setTimeout as delay } from "node:timers/promises";
import { demux } from "../docker/demux.js";
import type { Engine, ExecInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Log } from "../log.js";
import type { KillSession } from "./process-session.js";

export interface ExecResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

/** What is kept of each stream, as upstream runtimes do; the rest is read and dropped. */
export const outputLimit = 16 * 1024 * 1024;
/** How often a silent exec is asked whether its process has left its pipes to somebody else. */
const lingerCheckMs = 1000;

export interface ExecSyncDependencies {
  engine: Pick<Engine, "createExec" | "startExec" | "inspectExec">;
  inventory: Pick<Inventory, "get">;
  killSession: KillSession;
  log: Log;
}

/**
 * Runs a command in a container and collects what it says.
 * @param timeoutSeconds 0 waits as long as it takes. When it is over, the process and all that it started
 *   are killed and `deadline` is thrown; the same when the client goes away, with `cancelled`.
 */
export async function execSync(
  { engine, inventory, killSession, log }: ExecSyncDependencies,
  containerId: string,
  cmd: string[],
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<ExecResult> {
  const container = await inventory.get("container", containerId);
  if (!container.State.Running) {
    throw new CriError(
      "failedPrecondition",
      `container ${container.Id} is not running: it is ${container.State.Status}`,
    );
  }
  const options = { cmd, tty: false, stdin: false, stdout: true, stderr: true };
  const { id } = await engine.createExec(container.Id, options, signal);
  const stop = stopReason(signal, timeoutSeconds, cmd);
  const stream = await engine.startExec(id, { tty: false });
  const kept = { stdout: new Kept(), stderr: new Kept() };
  const end = new AbortController();
  const onStop = () => stream.destroy();
  stop.addEventListener("abort", onStop, { once: true });

  try {
    if (stop.aborted) stream.destroy();
    const watched = endLingering(engine, id, kept, stream, end.signal);
    try {
      for await (const { stream: name, data } of demux(stream)) kept[name].add(data);
    } catch (error) {
      // A stream that we ended ourselves reads as "premature close".
      if (!stop.aborted && !kept.stdout.lingering) throw error;
    } finally {
      end.abort();
      await watched;
    }
    stop.throwIfAborted();
    const exitCode = await waitForExit(engine, id, stop);
    return { stdout: kept.stdout.bytes(), stderr: kept.stderr.bytes(), exitCode };
  } catch (error) {
    if (!stop.aborted) throw error;
    const { Pid } = await engine.inspectExec(id);
    await killSession(Pid, container.Id).catch((failure: unknown) => {
      log.warn("exec could not be killed", { containerId: container.Id, pid: Pid, error: failure });
    });
    throw stop.reason;
  } finally {
    stop.removeEventListener("abort", onStop);
    stream.destroy();
  }
}

/** Fires with the CriError to throw when the time is over or the client has gone. */
function stopReason(client: AbortSignal, timeoutSeconds: number, cmd: string[]): AbortSignal {
  const controller = new AbortController();
  const gone = () => controller.abort(new CriError("cancelled", "the client cancelled the exec"));
  if (client.aborted) gone();
  else client.addEventListener("abort", gone, { once: true });
  if (timeoutSeconds > 0) {
    const late = new CriError(
      "deadline",
      `command ${JSON.stringify(cmd[0])} timed out after ${timeoutSeconds} s and was killed`,
    );
    const timer = setTimeout(() => controller.abort(late), timeoutSeconds * 1000);
    timer.unref();
    controller.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }
  return controller.signal;
}

/** The first bytes of a stream, up to the limit. */
class Kept {
  readonly #pieces: Buffer[] = [];
  #length = 0;
  seen = 0;
  /** Set when the process is gone and its pipes were left to a child. */
  lingering = false;

  add(data: Buffer): void {
    this.seen += data.length;
    const piece = data.subarray(0, outputLimit - this.#length);
    this.#length += piece.length;
    if (piece.length > 0) this.#pieces.push(piece);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}

/**
 * Docker ends the stream when the last holder of the pipes does, which may be a child in the background that
 * outlives the command by days. The command is over when its own process is and nothing more comes.
 */
async function endLingering(
  engine: Pick<Engine, "inspectExec">,
  id: string,
  kept: { stdout: Kept; stderr: Kept },
  stream: { destroy(): unknown },
  signal: AbortSignal,
): Promise<void> {
  let before = -1;
  for (;;) {
    await delay(lingerCheckMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const now = kept.stdout.seen + kept.stderr.seen;
    const exec = await engine.inspectExec(id).catch(() => undefined);
    if (exec?.Running === false && now === before) {
      kept.stdout.lingering = true;
      stream.destroy();
      return;
    }
    before = exec?.Running === false ? now : -1;
  }
}

/** The end of the output can come before Docker knows the exit code. */
async function waitForExit(
  engine: Pick<Engine, "inspectExec">,
  id: string,
  signal: AbortSignal,
): Promise<number> {
  for (let pause = 10, waited = 0; waited < 10_000; waited += pause, pause = Math.min(pause * 2, 500)) {
    const { Running, ExitCode }: ExecInspect = await engine.inspectExec(id);
    if (!Running && ExitCode !== null) return ExitCode;
    await delay(pause);
    signal.throwIfAborted();
  }
  throw new CriError("internal", "Docker does not tell the exit code of a command that has ended its output");
}
