/** A command in a container, for a client that watches it. */
import { setTimeout as delay } from "node:timers/promises";
import { exitCodeOf, pidOf } from "../containers/exec-facts.js";
import { followOutput } from "../containers/exec-output.js";
import type { SignalSession } from "../containers/process-session.js";
import type { Engine, TerminalSize } from "../docker/engine.js";
import type { Log } from "../log.js";
import { conclude, type CommandClient, type CommandResult, type CommandWants } from "./command.js";
import { deliverTo, feedFrom } from "./deliver.js";
import { Resizer } from "./resize.js";

export interface ExecRequest extends CommandWants {
  containerId: string;
  cmd: string[];
}

export interface ExecDependencies {
  engine: Pick<Engine, "createExec" | "startExec" | "inspectExec" | "resizeExec">;
  signalSession: SignalSession;
  log: Log;
}

/** Runs it to its end and tells the client how that was. Never rejects. */
export const runExec = (deps: ExecDependencies, request: ExecRequest, client: CommandClient): Promise<void> =>
  conclude(client, watchExec(deps, request, client));

async function watchExec(
  { engine, signalSession, log }: ExecDependencies,
  { containerId, cmd, ...wants }: ExecRequest,
  client: CommandClient,
): Promise<CommandResult> {
  const { id } = await engine.createExec(containerId, { cmd, ...wants });
  const resizer = new Resizer((size) => resizeSoon(engine, id, size, log));
  if (wants.tty) client.onResize((size) => resizer.set(size));
  client.gone.throwIfAborted();
  const stream = await engine.startExec(id, { tty: wants.tty });
  // Docker blocks on a resize before the start, so the sizes of the time before wait until now.
  resizer.start();

  try {
    // The end of the input closes the command's stdin; on a terminal there is no such thing, and Docker would
    // take it for the end of the whole session.
    feedFrom(client, stream, !wants.tty);
    await followOutput(engine, { id, stream, tty: wants.tty }, deliverTo(client), client.gone);
    return { kind: "exited", code: await exitCodeOf(engine, id) };
  } catch (error) {
    if (client.gone.aborted) await hangUp({ engine, signalSession, log }, id, containerId, wants);
    throw error;
  } finally {
    client.stdin?.unpipe(stream);
    stream.destroy();
  }
}

/**
 * What happens when a terminal's line is cut: its processes get SIGHUP. Without a terminal the closed stdin
 * and broken pipes tell the command, and one that needs neither may go on, as when it is started by hand.
 */
async function hangUp(
  { engine, signalSession, log }: ExecDependencies,
  id: string,
  containerId: string,
  { tty }: CommandWants,
): Promise<void> {
  if (!tty) return;
  try {
    await signalSession(await pidOf(engine, id), containerId, "SIGHUP");
  } catch (error) {
    log.warn("the terminal of a client that has gone could not be hung up", { containerId, error });
  }
}

/** The process may not exist yet for a moment after the start. A size that cannot be set spoils nothing. */
async function resizeSoon(
  engine: Pick<Engine, "resizeExec">,
  id: string,
  size: TerminalSize,
  log: Log,
): Promise<void> {
  for (const pause of [20, 40, 80, 160, undefined]) {
    try {
      await engine.resizeExec(id, size);
      return;
    } catch (error) {
      if (pause === undefined) log.debug("terminal was not resized", { exec: id, error });
      else await delay(pause);
    }
  }
}
