/** Chance that can be repeated: the same seed gives the same numbers (mulberry32). */

export type Chance = (below: number) => number;

/** Numbers from 0 up to, but not including, 1. */
export function fractions(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole numbers from 0 up to, but not including, a limit. */
export function chance(seed: number): Chance {
  const next = fractions(seed);
  return (below) => Math.floor(next() * below);
}
