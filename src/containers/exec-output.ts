/** What a command says, from the start of its exec to the end of its output. */
import { setTimeout as delay } from "node:timers/promises";
import { demux } from "../docker/demux.js";
import type { Engine } from "../docker/engine.js";
import { CriError, isKind } from "../errors.js";

export interface Output {
  stdout: Buffer;
  stderr: Buffer;
}

/** Bytes kept of each stream, as upstream runtimes do; the rest is read and dropped. */
export const outputLimit = 16 * 1024 * 1024;
/** How often an exec is asked whether its process has gone and left its pipes to somebody else. */
const checkMs = 1000;

/** Why a stream was ended by us. */
type Ending = "left its pipes behind" | "lost its container";

/**
 * Starts an exec and reads its output to the end.
 * @param signal ends the reading; the process is the caller's to kill
 * @throws CriError failedPrecondition when the container stops meanwhile
 */
export async function collectOutput(
  engine: Pick<Engine, "startExec" | "inspectExec">,
  id: string,
  signal: AbortSignal,
): Promise<Output> {
  const stream = await engine.startExec(id, { tty: false });
  const kept = { stdout: new Kept(), stderr: new Kept() };
  const over = new AbortController();
  const stop = () => stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();

  let ending: Ending | undefined;
  const seen = () => kept.stdout.seen + kept.stderr.seen;
  const watching = watch(engine, id, seen, over.signal).then((reason) => {
    ending = reason;
    if (reason) stop();
  });
  try {
    for await (const { stream: name, data } of demux(stream)) kept[name].add(data);
  } catch (error) {
    // A stream that we ended ourselves reads as broken.
    if (ending === undefined) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    over.abort();
    stop();
    await watching;
  }
  signal.throwIfAborted();
  if (ending === "lost its container") {
    throw new CriError("failedPrecondition", "the container stopped while the command ran");
  }
  return { stdout: kept.stdout.bytes(), stderr: kept.stderr.bytes() };
}

/**
 * Docker ends the stream when the last holder of the pipes does: a child in the background may outlive the
 * command by days, and where the container itself has stopped the stream may not end at all. The command is
 * over when its own process is and nothing more comes.
 */
async function watch(
  engine: Pick<Engine, "inspectExec">,
  id: string,
  seen: () => number,
  signal: AbortSignal,
): Promise<Ending | undefined> {
  let seenAtExit: number | undefined;
  for (;;) {
    await delay(checkMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
    try {
      const { Running } = await engine.inspectExec(id);
      if (!Running && seenAtExit === seen()) return "left its pipes behind";
      seenAtExit = Running ? undefined : seen();
    } catch (error) {
      if (isKind(error, "notFound") || isKind(error, "failedPrecondition")) return "lost its container";
    }
  }
}

/** The first bytes of a stream, up to the limit. */
class Kept {
  readonly #pieces: Buffer[] = [];
  #length = 0;
  /** All bytes, the dropped ones too. */
  seen = 0;

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
