import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Log } from "../log.js";
import { collectOutput, type Output } from "./exec-output.js";
import type { KillSession } from "./process-session.js";

export interface ExecResult extends Output {
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
/** How long Docker may take to tell an exec's pid or exit code once it must have one. */
const lateFactsMs = 10_000;

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
  const limit = startLimit(signal, timeoutSeconds, cmd);
  try {
    const output = await collectOutput(engine, id, limit.signal);
    return { ...output, exitCode: await waitForExit(engine, id) };
  } catch (error) {
    if (!limit.signal.aborted) throw error;
    await kill({ engine, killSession }, id, container.Id).catch((failure: unknown) => {
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

/** Docker answers the start of an exec before its process exists, so the pid may come late. */
async function kill(
  { engine, killSession }: Pick<ExecSyncDependencies, "engine" | "killSession">,
  id: string,
  containerId: string,
): Promise<void> {
  const pid = await lateFact(engine, id, ({ Pid, Running, ExitCode }) => {
    if (Pid > 0) return Pid;
    return !Running && ExitCode !== null ? 0 : undefined;
  });
  if (pid === undefined) throw new CriError("internal", "Docker does not tell the pid of the exec");
  await killSession(pid, containerId);
}

/** The end of the output can come before Docker knows the exit code. */
async function waitForExit(engine: Pick<Engine, "inspectExec">, id: string): Promise<number> {
  const code = await lateFact(engine, id, ({ Running, ExitCode }) =>
    Running ? undefined : (ExitCode ?? undefined),
  );
  if (code !== undefined) return code;
  throw new CriError("internal", "Docker does not tell the exit code of a command that has ended its output");
}

/** Asks until there is an answer, in growing intervals; undefined when there is none in time. */
async function lateFact(
  engine: Pick<Engine, "inspectExec">,
  id: string,
  answer: (exec: Awaited<ReturnType<Engine["inspectExec"]>>) => number | undefined,
): Promise<number | undefined> {
  for (let pause = 10, waited = 0; waited < lateFactsMs; waited += pause, pause = Math.min(pause * 2, 500)) {
    const found = answer(await engine.inspectExec(id));
    if (found !== undefined) return found;
    await delay(pause);
  }
  return undefined;
}
