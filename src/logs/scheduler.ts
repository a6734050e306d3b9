/**
 * Whose turn it is. All that have something to do stand in one queue and get one bounded step each, so a noisy
 * container delays the others by no more than its step; and after each step the thread's loop goes round, so
 * messages wait no longer than that either.
 */
import type { Outcome } from "./follower.js";

/** again: idle, but to be tried after its rest without being marked. */
export type Turn = Outcome | "again";

export interface Timing {
  /** Milliseconds, from anywhere. */
  now(): number;
  /** Once, after what has come in meanwhile. */
  soon(run: () => void): void;
  /** Once, after `ms`; the answer cancels it. */
  later(ms: number, run: () => void): () => void;
}

/**
 * Who has read all that there is does not read again at the next byte, but with all that has come in this time:
 * that costs a steady writer's log little, and delays it by less than one notices.
 */
const restMs = 10;
const retryMs = 1000;

export class Scheduler<T> {
  readonly #step: (item: T) => Turn;
  readonly #timing: Timing;
  readonly #queue = new Set<T>();
  /** In the order of their ends. */
  readonly #resting = new Map<T, { until: number; dirty: boolean }>();
  readonly #stalled = new Set<T>();
  #turnComes = false;
  #cancelRest: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;

  constructor(step: (item: T) => Turn, timing: Timing) {
    this.#step = step;
    this.#timing = timing;
  }

  /** There may be something to do: at once, or when it has rested. One that is stalled is tried again anyway. */
  mark(item: T): void {
    if (this.#stalled.has(item)) return;
    const rest = this.#resting.get(item);
    if (rest) rest.dirty = true;
    else this.#enqueue(item);
  }

  /** There is something to do that does not wait. */
  urge(item: T): void {
    this.remove(item);
    this.#enqueue(item);
  }

  remove(item: T): void {
    this.#queue.delete(item);
    this.#resting.delete(item);
    this.#stalled.delete(item);
  }

  /** No turn and no timer comes after this. */
  stop(): void {
    this.#queue.clear();
    this.#resting.clear();
    this.#stalled.clear();
    this.#cancelRest?.();
    this.#cancelRetry?.();
  }

  #enqueue(item: T): void {
    this.#queue.add(item);
    this.#awaitTurn();
  }

  #awaitTurn(): void {
    if (this.#turnComes || this.#queue.size === 0) return;
    this.#turnComes = true;
    this.#timing.soon(() => this.#turn());
  }

  #turn(): void {
    this.#turnComes = false;
    const [item] = this.#queue;
    if (item === undefined) return;
    this.#queue.delete(item);
    this.#sort(item, this.#step(item));
    this.#awaitTurn();
  }

  #sort(item: T, turn: Turn): void {
    switch (turn) {
      case "more":
        this.#queue.add(item);
        return;
      case "idle":
      case "again":
        this.#resting.set(item, { until: this.#timing.now() + restMs, dirty: turn === "again" });
        this.#cancelRest ??= this.#timing.later(restMs, () => this.#endRests());
        return;
      case "stalled":
        this.#stalled.add(item);
        this.#cancelRetry ??= this.#timing.later(retryMs, () => this.#retry());
    }
  }

  #endRests(): void {
    this.#cancelRest = undefined;
    for (const [item, { until, dirty }] of this.#resting) {
      const left = until - this.#timing.now();
      if (left > 0) {
        this.#cancelRest = this.#timing.later(left, () => this.#endRests());
        return;
      }
      this.#resting.delete(item);
      if (dirty) this.#enqueue(item);
    }
  }

  #retry(): void {
    this.#cancelRetry = undefined;
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const item of stalled) this.#enqueue(item);
  }
}
