import { setTimeout as delay } from "node:timers/promises";

/** A promise with its handles outside. A rejection that nobody waits for is not an unhandled one. */
export function deferred() {
  let resolve!: () => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<void>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** Waits `ms` milliseconds, or until the signal fires; never rejects. */
export const pauseUntil = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined);

/** `Promise.all` over a map with at most `limit` calls under way; results in the order of the items. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return results;
}

/** So long may one answer's synchronous work keep others from running. */
const breathMs = 4;

/** To be called and awaited between pieces of synchronous work: lets others run when they have waited long enough. */
export function breather(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < breathMs) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        since = performance.now();
        resolve();
      }),
    );
  };
}
