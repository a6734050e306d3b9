import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/clock.js";

interface Sleeper {
  at: number;
  wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #ms = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): bigint {
    return BigInt(this.#ms) * 1_000_000n;
  }

  /** How many wait for time to pass. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason as Error);
      };
      const sleeper = {
        at: this.#ms + ms,
        wake: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      if (signal?.aborted) {
        leave();
        return;
      }
      signal?.addEventListener("abort", leave, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Lets `ms` milliseconds pass: whoever is due wakes at its own time, and gets its turn. */
  async advance(ms: number): Promise<void> {
    const end = this.#ms + ms;
    await nextTurn();
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#ms = Math.max(this.#ms, next.at);
      this.#sleepers.delete(next);
      next.wake();
      await nextTurn();
    }
    this.#ms = end;
    await nextTurn();
  }
}
