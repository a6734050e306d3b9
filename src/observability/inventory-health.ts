/** How true the inventory is, for metrics and the readiness probe. It is told what the inventory's hooks are told. */
import type { Clock } from "../clock.js";

export class InventoryHealth {
  /** Why the view is not complete; undefined while it is. */
  #reason: string | undefined = "Docker has not been listed yet";
  /** Nanoseconds: when the view was true for the last time, or this program began. */
  #lastTrue: bigint;
  #completions = 0;

  constructor(private readonly clock: Pick<Clock, "now">) {
    this.#lastTrue = clock.now();
  }

  /** The view is complete, and Docker's events keep it true. */
  completed(): void {
    this.#reason = undefined;
    this.#completions += 1;
  }

  /** The events were lost, or could not be had once more. */
  lost(reason: string): void {
    if (this.#reason === undefined) this.#lastTrue = this.clock.now();
    this.#reason = reason;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** Since the view was true for the last time; 0 while it is. */
  get ageSeconds(): number {
    return this.#reason === undefined ? 0 : Number(this.clock.now() - this.#lastTrue) / 1e9;
  }

  /** How often the view was made anew because Docker's events were lost. */
  get resyncs(): number {
    return Math.max(0, this.#completions - 1);
  }
}
