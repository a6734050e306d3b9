/** Values that are made of values, made once. */

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
