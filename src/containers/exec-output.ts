/** What a command says, from the start of its exec to the end of its output. */
import { setTimeout as delay } from "node:timers/promises";
import type { Duplex } from "node:stream";
import { outputOf, type Chunk } from "../docker/demux.js";
import type { Engine } from "../docker/engine.js";
import { CriError, isKind } from "../errors.js";

/** How often an exec is asked whether its process has gone and left its pipes to somebody else. */
const checkMs = 1000;

/** Why a stream was ended by us. */
type Ending = "left its pipes behind" | "lost its container";

/**
 * Hands the output of a started exec on, piece by piece, at the taker's pace, to its end.
 * @param signal ends the reading; the process is the caller's to kill
 * @throws CriError failedPrecondition when the container stops meanwhile; the signal's reason
 */
export async function followOutput(
  engine: Pick<Engine, "inspectExec">,
  exec: { id: string; stream: Duplex; tty: boolean },
  take: (chunk: Chunk) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  const { id, stream, tty } = exec;
  const over = new AbortController();
  const stop = () => stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();

  let ending: Ending | undefined;
  /** Counts pieces; odd while one is being taken: then there may be more that we have not seen. */
  let progress = 0;
  const watching = watch(engine, id, () => progress, over.signal).then((reason) => {
    ending = reason;
    if (reason) stop();
  });
  try {
    for await (const chunk of outputOf(stream, { tty })) {
      progress++;
      await take(chunk);
      progress++;
    }
  } catch (error) {
    // A stream that we ended ourselves reads as broken.
    if (ending === undefined && !signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    over.abort();
    await watching;
  }
  signal.throwIfAborted();
  if (ending === "lost its container") {
    throw new CriError("failedPrecondition", "the container stopped while the command ran");
  }
}

/**
 * Docker ends the stream when the last holder of the pipes does: a child in the background may outlive the
 * command by days, and where the container itself has stopped the stream may not end at all. The command is
 * over when its own process is and nothing more comes.
 */
async function watch(
  engine: Pick<Engine, "inspectExec">,
  id: string,
  progress: () => number,
  signal: AbortSignal,
): Promise<Ending | undefined> {
  let atExit: number | undefined;
  for (;;) {
    await delay(checkMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
    if (progress() % 2 === 1) {
      atExit = undefined;
      continue;
    }
    try {
      const { Running } = await engine.inspectExec(id);
      if (!Running && atExit === progress()) return "left its pipes behind";
      atExit = Running ? undefined : progress();
    } catch (error) {
      if (isKind(error, "notFound") || isKind(error, "failedPrecondition")) return "lost its container";
    }
  }
}
