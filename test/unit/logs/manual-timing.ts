/** Time and turns that pass when a test says so. */
import type { Timing } from "../../../src/logs/scheduler.js";

interface Timer {
  at: number;
  run: () => void;
}

export class ManualTiming implements Timing {
  #now = 0;
  #soon: (() => void)[] = [];
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  later(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers are running. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets what is to come soon come, and what that asks for after it, so many times. */
  turn(times: number): void {
    for (let time = 0; time < times; time += 1) {
      const runs = this.#soon;
      this.#soon = [];
      for (const run of runs) run();
    }
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((one, other) => one.at - other.at)) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
      timer.run();
    }
  }
}
