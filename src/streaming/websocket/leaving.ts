import type { Channel } from "./channel.js";

/**
 * What happens to a connection's channels when the client leaves before the end. One that is lost takes all
 * with it. One that closes may have sent input just before, and in protocols before v5 that is the only way to
 * end it: the input's reader gets it all, and an end, and only then the client counts as gone.
 */
export class Leaving {
  readonly #gone = new AbortController();
  readonly gone = this.#gone.signal;
  #timer: NodeJS.Timeout | undefined;
  #calledOff = false;

  constructor(
    private readonly inputs: readonly (Channel | undefined)[],
    private readonly outputs: readonly (Channel | undefined)[],
    /** Milliseconds that readers get for what a client that closed had sent. */
    private readonly readingTime = 10_000,
  ) {}

  /** @param error why the client was lost; undefined when it closed */
  begin(error?: Error): void {
    if (error || this.#calledOff) {
      this.#complete(error ?? new Error("the client has closed"));
      return;
    }
    const closed = new Error("the client has closed");
    this.#timer = setTimeout(() => this.#complete(closed), this.readingTime);
    const unread = new Set(this.inputs.filter((input) => input && !input.readableEnded && !input.destroyed));
    const settle = (input?: Channel): void => {
      unread.delete(input);
      if (unread.size === 0) this.#complete(closed);
    };
    for (const input of unread) {
      input?.once("end", () => settle(input)).once("close", () => settle(input));
      input?.endInput();
    }
    settle();
  }

  /** The end has come before: a client that leaves now has not left too early. */
  callOff(): void {
    this.#calledOff = true;
  }

  #complete(reason: Error): void {
    clearTimeout(this.#timer);
    for (const channel of [...this.inputs, ...this.outputs]) channel?.destroy(reason);
    if (!this.#calledOff) this.#gone.abort(reason);
  }
}
