/**
 * The bytes of all layers. Engines before 23 count containers and volumes on the way to this number, file by file, so it
 * is asked for a tenth of the time at most, and nobody waits long who can have an older one.
 */
import type { Clock } from "../clock.js";
import type { Engine } from "../docker/engine.js";

export interface LayersSizeAnswer {
  /** Nanoseconds since the epoch. */
  timestamp: string;
  bytes: number;
}

const restFactor = 9n;
const waitMs = 1000;

export class LayersSize {
  #last: { answer: LayersSizeAnswer; nextAt: bigint } | undefined;
  #asking: Promise<LayersSizeAnswer> | undefined;

  constructor(
    private readonly engine: Pick<Engine, "diskUsage">,
    private readonly clock: Clock,
  ) {}

  async get(signal: AbortSignal): Promise<LayersSizeAnswer> {
    const last = this.#last;
    if (last && this.clock.now() < last.nextAt) return last.answer;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    if (!last) return await this.#asking;
    const waited = new AbortController();
    const older = this.clock.sleep(waitMs, AbortSignal.any([signal, waited.signal])).then(() => last.answer);
    // Whichever comes second is nobody's.
    older.catch(() => undefined);
    this.#asking.catch(() => undefined);
    return await Promise.race([this.#asking, older]).finally(() => waited.abort());
  }

  async #ask(): Promise<LayersSizeAnswer> {
    const start = this.clock.now();
    const { LayersSize: bytes } = await this.engine.diskUsage();
    const end = this.clock.now();
    const answer = { timestamp: start.toString(), bytes };
    this.#last = { answer, nextAt: end + (end - start) * restFactor };
    return answer;
  }
}
