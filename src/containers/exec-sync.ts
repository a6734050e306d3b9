import type { Engine } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Log } from "../log.js";
import { exitCodeOf, pidOf } from "./exec-facts.js";
import { followOutput } from "./exec-output.js";
import type { KillSession } from "./process-session.js";
import { requireRunning } from "./running.js";

export interface ExecResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

export interface ExecSyncDependencies {
  engine: Pick<Engine, "createExec" | "startExec" | "inspectExec">;
  inventory: Pick<Inventory, "get">;
  killSession: KillSession;
  log: Log;
}

/** What Node's timers can hold, 24 days; one that is set to more fires at once. */
const longestTimerMs = 2 ** 31 - 1;
/** Bytes kept of each stream, as upstream runtimes do; the rest is read and dropped. */
export const outputLimit = 16 * 1024 * 1024;

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
  requireRunning(container);
  const options = { cmd, tty: false, stdin: false, stdout: true, stderr: true };
  const { id } = await engine.createExec(container.Id, options, signal);
  const limit = startLimit(signal, timeoutSeconds, cmd);
  try {
    const kept = { stdout: new Kept(), stderr: new Kept() };
    const stream = await engine.startExec(id, { tty: false });
    await followOutput(
      engine,
      { id, stream, tty: false },
      ({ stream: name, data }) => kept[name].add(data),
      limit.signal,
    );
    return {
      stdout: kept.stdout.bytes(),
      stderr: kept.stderr.bytes(),
      exitCode: await exitCodeOf(engine, id),
    };
  } catch (error) {
    if (!limit.signal.aborted) throw error;
    await pidOf(engine, id)
      .then((pid) => killSession(pid, container.Id))
      .catch((failure: unknown) => {
        log.warn("exec could not be killed", { containerId: container.Id, error: failure });
      });
    throw limit.signal.reason;
  } finally {
    limit.clear();
  }
}

/** A signal with the CriError to throw, fired when the time is over or the client has gone. */
function startLimit(client: AbortSignal, timeoutSeconds: number, cmd: string[]) {
  const over = new AbortController();
  const gone = () => over.abort(new CriError("cancelled", "the client cancelled the exec"));
  const late = () => {
    const what = `command ${JSON.stringify(cmd[0])} timed out after ${timeoutSeconds} s and was killed`;
    over.abort(new CriError("deadline", what));
  };
  if (client.aborted) gone();
  client.addEventListener("abort", gone, { once: true });
  const timer =
    timeoutSeconds > 0 ? setTimeout(late, Math.min(timeoutSeconds * 1000, longestTimerMs)) : undefined;
  const clear = () => {
    clearTimeout(timer);
    client.removeEventListener("abort", gone);
  };
  return { signal: over.signal, clear };
}

/** The first bytes of a stream, up to the limit. */
class Kept {
  readonly #pieces: Buffer[] = [];
  #length = 0;

  add(data: Buffer): void {
    const piece = data.subarray(0, outputLimit - this.#length);
    this.#length += piece.length;
    if (piece.length > 0) this.#pieces.push(piece);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
