/** setTimeout fires at once beyond this. */
const longest = 2 ** 31 - 1;

/** Calls back once when nothing has happened for a time. What happens is only noted, since it happens often. */
export class Inactivity {
  #last = performance.now();
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout in milliseconds; 0 for never */
  constructor(
    private readonly timeout: number,
    private readonly expired: () => void,
  ) {
    if (timeout > 0) this.#watch();
  }

  noteActivity(): void {
    this.#last = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #watch(): void {
    const left = this.#last + this.timeout - performance.now();
    if (left <= 0) this.expired();
    else this.#timer = setTimeout(() => this.#watch(), Math.min(Math.ceil(left), longest));
  }
}
