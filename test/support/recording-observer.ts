import type { Observer } from "../../src/observer.js";

/** Keeps what it is told: each piece of work as it begins, and how it ended, in this order. */
export function recordingObserver<About>(): {
  observer: Observer<About>;
  told: (About | { end: unknown })[];
} {
  const told: (About | { end: unknown })[] = [];
  const observer: Observer<About> = {
    started: (about) => {
      told.push(about);
      return { within: (part) => part(), ended: (end) => void told.push({ end }) };
    },
  };
  return { observer, told };
}
