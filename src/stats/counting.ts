/** Counts files in the background: what counts them takes turns, so that all together take a tenth of the time at most. */
import type { Clock } from "../clock.js";
import { CriError } from "../errors.js";
import type { Log } from "../log.js";
import { deferred } from "../waiting.js";
import { restsOf } from "./count-files.js";

export interface Counter {
  /** @param rest to be awaited after each small piece of work; rejects at the end */
  round(rest: () => Promise<void>): Promise<void>;
}

export interface CountingDependencies {
  counters: readonly Counter[];
  clock: Clock;
  log: Log;
}

/** From the end of a round to the next; the kubelet itself counts volumes every minute. */
const roundMs = 60_000;

export class Counting {
  readonly #closing = new AbortController();
  /** Rejects at the end, which does not wait for a Docker Engine that does not answer. */
  readonly #closed = deferred();
  #loop: Promise<void> = Promise.resolve();

  constructor(private readonly deps: CountingDependencies) {}

  start(): void {
    this.#loop = this.#run(this.#closing.signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#closed.reject(new CriError("unavailable", "the server is stopping"));
    await this.#loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { counters, clock, log } = this.deps;
    while (!signal.aborted) {
      for (const counter of counters) {
        const round = counter.round(restsOf(clock, signal));
        await Promise.race([round, this.#closed.promise]).catch((error: unknown) => {
          if (!signal.aborted) log.debug("files could not be counted", { error });
        });
      }
      await clock.sleep(roundMs, signal).catch(() => undefined);
    }
  }
}
