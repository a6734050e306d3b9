/** Terminal sizes: reading them from a client, and setting them one after another. */
import { StringDecoder } from "node:string_decoder";
import type { TerminalSize } from "../docker/engine.js";

/** A size event is some 30 bytes; what grows beyond this is none. */
const longestEvent = 1024;

/**
 * Terminal sizes out of a stream of JSON objects, split and joined anyhow: {"Width":80,"Height":24}. Keys match
 * in any case, as Go reads them. Sizes with a side outside 1 to 65535 are left out; what is no JSON object ends
 * the resizing, not the session.
 */
export class SizeDecoder {
  readonly #decoder = new StringDecoder("utf8");
  #pending = "";
  #broken = false;

  push(data: Buffer): TerminalSize[] {
    if (this.#broken) return [];
    this.#pending += this.#decoder.write(data);
    const sizes: TerminalSize[] = [];
    for (let end = this.#pending.indexOf("}"); end >= 0; end = this.#pending.indexOf("}")) {
      const size = parseSize(this.#pending.slice(0, end + 1));
      this.#pending = this.#pending.slice(end + 1);
      if (size === undefined) return this.#end(sizes);
      if (isUsable(size)) sizes.push(size);
    }
    return this.#pending.length > longestEvent ? this.#end(sizes) : sizes;
  }

  /** What came behind it in the same piece counts as little as what comes in the next. */
  #end(sizes: TerminalSize[]): TerminalSize[] {
    this.#broken = true;
    this.#pending = "";
    return sizes;
  }
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const event = Object.entries(JSON.parse(text) as object).map(
      ([key, value]) => [key.toLowerCase(), value] as const,
    );
    const { width = 0, height = 0 } = Object.fromEntries(event) as Record<string, unknown>;
    return typeof width === "number" && typeof height === "number" ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}

/** A client's sizes, for a command that may ask for them only after the first has come. */
export class SizeReports {
  readonly #decoder = new SizeDecoder();
  #latest: TerminalSize | undefined;
  #listener: ((size: TerminalSize) => void) | undefined;

  push(data: Buffer): void {
    for (const size of this.#decoder.push(data)) {
      this.#latest = size;
      this.#listener?.(size);
    }
  }

  /** Calls back for each size from now on, and for the last one before. */
  listen(listener: (size: TerminalSize) => void): void {
    this.#listener = listener;
    if (this.#latest) listener(this.#latest);
  }
}

/** More sizes than this are waiting only when Docker is slow; then the oldest say nothing any more. */
const mostWaiting = 4;

/**
 * Sets sizes one at a time and in order, since kubectl sends a wrong size before the right one to have the screen
 * painted anew. Of those that come before `start` only the latest counts.
 */
export class Resizer {
  #waiting: TerminalSize[] = [];
  #started = false;
  #busy = false;

  /** @param apply what it rejects with is its own matter: a size that cannot be set spoils nothing */
  constructor(private readonly apply: (size: TerminalSize) => Promise<void>) {}

  set(size: TerminalSize): void {
    this.#waiting = [...this.#waiting, size].slice(this.#started ? -mostWaiting : -1);
    if (this.#started) void this.#work();
  }

  start(): void {
    this.#started = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let size = this.#waiting.shift(); size; size = this.#waiting.shift()) {
      await this.apply(size).catch(() => undefined);
    }
    this.#busy = false;
  }
}

const isSide = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 65535;
const isUsable = ({ width, height }: TerminalSize): boolean => isSide(width) && isSide(height);
