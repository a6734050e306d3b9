/** What Docker tells of an exec, sometimes late. */
import { setTimeout as delay } from "node:timers/promises";
import type { Engine, ExecInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";

type InspectEngine = Pick<Engine, "inspectExec">;

/** How long Docker may take to tell what it must know. */
const lateMs = 10_000;

/** The exit code, which Docker may know only after the end of the output. */
export async function exitCodeOf(engine: InspectEngine, id: string): Promise<number> {
  const code = await late(engine, id, ({ Running, ExitCode }) =>
    Running ? undefined : (ExitCode ?? undefined),
  );
  if (code !== undefined) return code;
  throw new CriError("internal", "Docker does not tell the exit code of a command that has ended its output");
}

/** The pid, 0 when the command never had one: Docker answers the start before the process exists. */
export async function pidOf(engine: InspectEngine, id: string): Promise<number> {
  const pid = await late(engine, id, ({ Pid, Running, ExitCode }) => {
    if (Pid > 0) return Pid;
    return !Running && ExitCode !== null ? 0 : undefined;
  });
  if (pid !== undefined) return pid;
  throw new CriError("internal", "Docker does not tell the pid of the exec");
}

/** Asks until there is an answer, in growing intervals; undefined when there is none in time. */
async function late(
  engine: InspectEngine,
  id: string,
  answer: (exec: ExecInspect) => number | undefined,
): Promise<number | undefined> {
  for (let pause = 10, waited = 0; waited < lateMs; waited += pause, pause = Math.min(pause * 2, 500)) {
    const found = answer(await engine.inspectExec(id));
    if (found !== undefined) return found;
    await delay(pause);
  }
  return undefined;
}
