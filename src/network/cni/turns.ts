/**
 * Who may call plugins when: one operation at a time for a pod, any number for different pods, and garbage collection
 * alone (CNI specification, section 3, "Lifecycle & Ordering").
 */
export class Turns {
  readonly #ofPods = new Map<string, Promise<unknown>>();
  readonly #running = new Set<Promise<unknown>>();
  #alone: Promise<unknown> = Promise.resolve();

  /** Runs `work` after whatever is under way for that pod. */
  async forPod<T>(sandboxId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#ofPods.get(sandboxId);
    const turn = this.#after(before, work);
    this.#ofPods.set(sandboxId, turn);
    try {
      return await turn;
    } finally {
      if (this.#ofPods.get(sandboxId) === turn) this.#ofPods.delete(sandboxId);
    }
  }

  /** Runs `work` when nothing else runs; what comes meanwhile waits. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#alone;
    const turn = (async () => {
      await settled(before);
      await Promise.allSettled(this.#running);
      return await work();
    })();
    this.#alone = turn;
    return await turn;
  }

  async #after<T>(before: Promise<unknown> | undefined, work: () => Promise<T>): Promise<T> {
    await settled(before);
    for (let gate; gate !== this.#alone;) {
      gate = this.#alone;
      await settled(gate);
    }
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}

const settled = async (promise: Promise<unknown> | undefined): Promise<void> => {
  await promise?.catch(() => undefined);
};
