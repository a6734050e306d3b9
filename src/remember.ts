/** What is made, or asked for, once. */

/**
 * `make`, whose answer for a `key` is kept for as long as that lives and as long as the other arguments stay the same.
 * The answers are frozen, so that whoever gets one can keep things with it in turn.
 * @param make pure; its key must never change
 */
export function remembering<Key extends object, Rest extends unknown[], Made extends object>(
  make: (key: Key, ...rest: Rest) => Made,
): (key: Key, ...rest: Rest) => Readonly<Made> {
  const known = new WeakMap<Key, { rest: Rest; made: Readonly<Made> }>();
  return (key, ...rest) => {
    const before = known.get(key);
    if (before?.rest.every((argument, index) => argument === rest[index])) return before.made;
    const made = Object.freeze(make(key, ...rest));
    known.set(key, { rest, made });
    return made;
  };
}

/** An answer that is asked for once, by however many at once, until it is forgotten; one that could not be had is not kept. */
export class Answer<T> {
  #asked: Promise<T> | undefined;

  constructor(private readonly ask: () => Promise<T>) {}

  get(): Promise<T> {
    if (this.#asked) return this.#asked;
    const asked = this.ask();
    this.#asked = asked;
    asked.catch(() => {
      if (this.#asked === asked) this.#asked = undefined;
    });
    return asked;
  }

  /** What is under way does not count any more, but for those who wait for it. */
  forget(): void {
    this.#asked = undefined;
  }
}
