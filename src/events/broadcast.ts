/** One source, any number of subscribers, none of whom can hold up another or take memory without end. */
import { CriError } from "../errors.js";

interface Subscription<T> {
  waiting: T[];
  /** Why there will be nothing more. */
  failed: Error | undefined;
  wake: () => void;
}

export class Broadcast<T> {
  readonly #subscriptions = new Set<Subscription<T>>();

  /** @param limit values that a subscriber may leave waiting */
  constructor(private readonly limit: number) {}

  get hasSubscribers(): boolean {
    return this.#subscriptions.size > 0;
  }

  publish(value: T): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.waiting.length < this.limit) {
        subscription.waiting.push(value);
        subscription.wake();
      } else {
        const message = `the client left ${this.limit} events waiting; what it knows has to be listed anew`;
        this.#end(subscription, new CriError("exhausted", message));
      }
    }
  }

  /** Ends all subscriptions: something could not be told. */
  fail(error: Error): void {
    for (const subscription of this.#subscriptions) this.#end(subscription, error);
  }

  /**
   * All that is published from now on, until the signal fires; it is subscribed when this returns.
   * @throws what `fail` was told, CriError exhausted for a subscriber who is too slow, the signal's reason
   */
  subscribe(signal: AbortSignal): AsyncGenerator<T, never> {
    const subscription: Subscription<T> = { waiting: [], failed: undefined, wake: () => undefined };
    this.#subscriptions.add(subscription);
    const abort = () => this.#end(subscription, signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    return this.#follow(subscription, () => {
      this.#subscriptions.delete(subscription);
      signal.removeEventListener("abort", abort);
    });
  }

  async *#follow(subscription: Subscription<T>, leave: () => void): AsyncGenerator<T, never> {
    try {
      for (;;) {
        if (subscription.failed) throw subscription.failed;
        const next = subscription.waiting.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (subscription.wake = resolve));
      }
    } finally {
      leave();
    }
  }

  /** What it left waiting goes at once. */
  #end(subscription: Subscription<T>, error: Error): void {
    this.#subscriptions.delete(subscription);
    subscription.failed ??= error;
    subscription.waiting = [];
    subscription.wake();
  }
}
