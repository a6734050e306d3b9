/** How much of a core is used now: from two readings of the time used since the start. */

/** Two readings that are closer than this tell too little: Linux counts in steps of up to 10 ms. */
const shortestNanos = 1_000_000_000n;

export interface CpuReading {
  /**
   * When, in nanoseconds of a clock that nobody sets (Clock's is one: it counts from the program's start). Of two
   * answers that are made at once the later reading may come first.
   */
  at: bigint;
  /** Processor time used since the start, in nanoseconds over all cores. */
  nanos: bigint;
}

interface Sample extends CpuReading {
  run: string;
  rate: bigint | undefined;
}

export class CpuRates {
  readonly #samples = new Map<string, Sample>();

  /**
   * Takes note of a reading.
   * @param run distinguishes this run from earlier ones, whose time counts for nothing any more
   * @returns billionths of a core; undefined until there are two readings of this run
   */
  add(id: string, run: string, { at, nanos }: CpuReading): bigint | undefined {
    const last = this.#samples.get(id);
    const sameRun = last?.run === run;
    const elapsed = sameRun ? at - last.at : 0n;
    if (sameRun && elapsed < shortestNanos) return last.rate;
    // A counter that went back has begun anew.
    const comparable = sameRun && nanos >= last.nanos;
    const rate = comparable ? ((nanos - last.nanos) * 1_000_000_000n) / elapsed : undefined;
    this.#samples.set(id, { run, at, nanos, rate });
    return rate;
  }

  forget(id: string): void {
    this.#samples.delete(id);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#samples.keys()) if (!ids.has(id)) this.#samples.delete(id);
  }
}
