/** Times of the same work by several servers, taken in turn so that a slow moment of the machine meets them all. */
import { quantile, timeOf } from "./measure.js";

/** Milliseconds of each time, by contestant; one that cannot do it has none. */
export type Times = Map<string, number[]>;

export interface Effort {
  /** No fewer times of each, and no more. */
  times: { least: number; most: number };
  /** No new round after that, once there are enough. */
  seconds: number;
}

/** Short works are taken in turns of this length. */
const turnMs = 50;

/**
 * A round is a turn of each contestant, in turn and the next time in reverse. The first work of a turn is not counted:
 * after a heavy one of another contestant, an engine that they share may still have something to do. Who fails in the
 * first of all is left out.
 * @throws when a contestant fails later
 */
export async function interleave(
  contestants: ReadonlyMap<string, () => Promise<unknown>>,
  { times: { least, most }, seconds }: Effort,
  onRefusal: (name: string, error: unknown) => void,
): Promise<Times> {
  const times: Times = new Map();
  for (const [name, work] of contestants) {
    await work().then(
      () => times.set(name, []),
      (error: unknown) => onRefusal(name, error),
    );
  }
  const end = performance.now() + seconds * 1000;
  const names = [...times.keys()];
  while (fewest(times) < most && (fewest(times) < least || performance.now() < end)) {
    for (const name of names) await takeTurn(contestants.get(name)!, times.get(name)!, most);
    names.reverse();
  }
  return times;
}

/** How often each was measured at least. */
const fewest = (times: Times): number => Math.min(...[...times.values()].map((taken) => taken.length));

async function takeTurn(work: () => Promise<unknown>, taken: number[], most: number): Promise<void> {
  if (taken.length >= most) return;
  await work();
  const end = performance.now() + turnMs;
  do taken.push(await timeOf(work));
  while (taken.length < most && performance.now() < end);
}

const show = (ms: number): string => (ms < 9.95 ? ms.toFixed(2) : ms < 99.5 ? ms.toFixed(1) : ms.toFixed(0));

/**
 * A row of the result: the median and p99 of each, and in brackets what ours is to it.
 * @param names the columns; the first is ours
 */
export function timesRow(what: string, names: string[], times: Times): string[] {
  const p50 = (name: string | undefined): number => quantile(times.get(name ?? "") ?? [], 0.5);
  const cells = names.map((name, index) => {
    const taken = times.get(name);
    if (!taken) return "";
    const text = `${show(p50(name))} / ${show(quantile(taken, 0.99))}`;
    return index === 0 ? text : `${text} (${(p50(names[0]) / p50(name)).toFixed(2)})`;
  });
  return [`${what}, ${fewest(times)} times`, ...cells];
}
