import { setTimeout as delay } from "node:timers/promises";

/** Time as an argument: injected wherever a test must decide what time it is. */
export interface Clock {
  /** Nanoseconds since the Unix epoch, at the resolution that the platform gives. */
  now(): bigint;
  /** Resolves after `ms` milliseconds, rejects with the signal's reason when it fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};
