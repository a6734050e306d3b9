import { once } from "node:events";
import type { Duplex, Writable } from "node:stream";
import type { Chunk } from "../docker/demux.js";
import type { CommandClient } from "./command.js";

/** Writes output to a client, waiting whenever it is slow; what it did not ask for is dropped. */
export const deliverTo =
  (client: Pick<CommandClient, "stdout" | "stderr" | "gone">) =>
  async ({ stream, data }: Chunk): Promise<void> => {
    const target: Writable | undefined = client[stream];
    if (!target || target.destroyed || target.write(data)) return;
    await once(target, "drain", { signal: client.gone }).catch((error: unknown) => {
      // A client that has gone reads no more; the caller sees `gone`.
      if (!client.gone.aborted && !target.destroyed) throw error;
    });
  };

/**
 * Hands a client's input on to a process, at its pace.
 * @param end whether the end of the input is to be the end of the process's; a client that takes its stream back
 *   has ended it as well
 */
export function feedFrom({ stdin }: Pick<CommandClient, "stdin">, process: Duplex, end: boolean): void {
  stdin?.on("error", () => undefined).pipe(process, { end });
  if (!stdin || !end) return;
  if (stdin.destroyed) process.end();
  else stdin.once("close", () => process.end());
}
