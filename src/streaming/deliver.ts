import { once } from "node:events";
import type { Writable } from "node:stream";
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
