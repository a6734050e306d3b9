/** How much of the output behind the source's position is in a destination already, and must not be written again. */
import type { Destination } from "./destination.js";
import { lineFeed } from "./escapes.js";

export class Overlap {
  #bytes = 0;
  /** So many of them, the last ones, are at the end of the present destination, and not yet compared. */
  #unchecked = 0;
  /** A line in the output, with which the overlap ends. */
  #lastLine: Buffer | undefined;

  /** How many bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get unchecked(): number {
    return this.#unchecked;
  }

  /** True while it is not known, because the line that it ends with was not found yet. */
  get unknown(): boolean {
    return this.#lastLine !== undefined;
  }

  /** @param unchecked how many of the bytes the destination is supposed to end with */
  set(bytes: number, unchecked = 0): void {
    this.#bytes = Math.max(bytes, 0);
    this.#unchecked = Math.max(Math.min(unchecked, bytes), 0);
    this.#lastLine = undefined;
  }

  setLastLine(line: Buffer): void {
    this.set(0);
    if (line.length > 0) this.#lastLine = line;
  }

  /**
   * How many bytes of the next output are written.
   * @returns undefined when the destination does not end as it should
   */
  within(output: Buffer, destination: Destination): number | undefined {
    if (this.#lastLine) {
      const end = endOfLine(output, this.#lastLine);
      if (end < 0) return output.length;
      this.set(end);
    }
    const written = Math.min(this.#bytes, output.length);
    const from = this.#bytes - this.#unchecked;
    if (from >= written) return written;
    const present = destination.read(destination.size - this.#unchecked, written - from);
    if (!present.equals(output.subarray(from, written))) return undefined;
    this.#unchecked -= written - from;
    return written;
  }

  /** The source's position has moved behind so many bytes of output. */
  pass(bytes: number): void {
    if (!this.unknown) this.set(this.#bytes - bytes, this.#unchecked);
  }
}

/** Where a line ends that is in the output as a whole line; -1 when it is not. */
function endOfLine(output: Buffer, line: Buffer): number {
  for (let at = output.indexOf(line); at >= 0; at = output.indexOf(line, at + 1)) {
    if (at === 0 || output[at - 1] === lineFeed) return at + line.length;
  }
  return -1;
}
