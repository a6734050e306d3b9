/** How parts of the program tell of their work without knowing who listens: metrics, traces, or nobody. */

/** A piece of work that has been told of. */
export interface Work<End> {
  /** Runs a part of the work, so that what is begun in there counts as part of it. */
  within<T>(part: () => T): T;
  /** To be called once, after the last part. */
  ended(end: End): void;
}

export interface Observer<About, End = unknown> {
  /** Must not throw, and costs next to nothing. */
  started(about: About): Work<End>;
}

const nothing: Work<unknown> = { within: (part) => part(), ended: () => undefined };

/** Nobody listens. */
export const unobserved: Observer<unknown> = { started: () => nothing };

/** Tells of an asynchronous call; it ends with its error, or with undefined. */
export async function observed<About, T>(
  observer: Observer<About>,
  about: About,
  call: () => Promise<T>,
): Promise<T> {
  const work = observer.started(about);
  try {
    const result = await work.within(call);
    work.ended(undefined);
    return result;
  } catch (error) {
    work.ended(error);
    throw error;
  }
}

/** Both listen. */
export const together = <About, End>(
  first: Observer<About, End>,
  second: Observer<About, End>,
): Observer<About, End> => ({
  started: (about) => {
    const one = first.started(about);
    const other = second.started(about);
    return {
      within: (part) => one.within(() => other.within(part)),
      ended: (end) => {
        one.ended(end);
        other.ended(end);
      },
    };
  },
});
