import type { Readable } from "node:stream";
import { CriError } from "../errors.js";

export interface Chunk {
  stream: "stdout" | "stderr";
  data: Buffer;
}

const headerBytes = 8;

/** What a process says: in frames, or as it is where it has a terminal, which has one stream only. */
export const outputOf = (source: Readable, { tty }: { tty: boolean }): AsyncGenerator<Chunk> =>
  tty ? raw(source) : demux(source);

async function* raw(source: Readable): AsyncGenerator<Chunk> {
  for await (const data of source as AsyncIterable<Buffer>) yield { stream: "stdout", data };
}

/**
 * Splits Docker's multiplexed stream into its parts, as they arrive, at the reader's pace.
 * Frame: type(1) 0 0 0 length(4, big-endian) payload; types 0 and 1 are stdout, 2 stderr, 3 an error text of
 * the daemon. A stream that ends inside a frame is taken as a plain end, as Docker's own reader does.
 * @param source its pieces are taken over: the parts are views into them
 * @throws CriError internal on a type-3 frame or an unknown type
 */
export async function* demux(source: Readable): AsyncGenerator<Chunk> {
  const splitter = new Splitter();
  for await (const piece of source as AsyncIterable<Buffer>) {
    for (const chunk of splitter.split(piece)) yield chunk;
    if (splitter.complaint?.whole) break;
  }
  if (splitter.complaint) throw brokenOff(splitter.complaint.parts);
}

/**
 * Docker makes a frame of each read from the command's pipe, often of no more than 4 KiB. What a piece holds of
 * one stream is handed on as one: a chunk's way to the client costs much more than moving its bytes together.
 */
class Splitter {
  complaint: { parts: Buffer[]; whole: boolean } | undefined;
  #header: Buffer = Buffer.alloc(0);
  #stream: Chunk["stream"] = "stdout";
  #left = 0;

  split(piece: Buffer): Chunk[] {
    const chunks: Chunk[] = [];
    let at = 0;
    /** The payload so far, from `start` to `end` of the piece. */
    let start = 0;
    let end = 0;
    const handOn = () => {
      if (end > start) chunks.push({ stream: this.#stream, data: piece.subarray(start, end) });
    };
    while (at < piece.length && !this.complaint?.whole) {
      if (this.#left > 0) {
        const next = Math.min(at + this.#left, piece.length);
        this.#left -= next - at;
        if (this.complaint) {
          this.complaint.parts.push(piece.subarray(at, next));
        } else if (end === start) {
          [start, end] = [at, next];
        } else {
          piece.copyWithin(end, at, next);
          end += next - at;
        }
        at = next;
      } else {
        const more = piece.subarray(at, at + headerBytes - this.#header.length);
        at += more.length;
        const header = this.#header.length === 0 ? more : Buffer.concat([this.#header, more]);
        if (header.length < headerBytes) {
          this.#header = Buffer.from(header);
          break;
        }
        this.#header = Buffer.alloc(0);
        const stream = this.#begin(header);
        if (stream !== this.#stream) {
          handOn();
          start = end = at;
          this.#stream = stream;
        }
      }
      if (this.complaint) this.complaint.whole = this.#left === 0;
    }
    handOn();
    return chunks;
  }

  #begin(header: Buffer): Chunk["stream"] {
    const type = header.readUInt8(0);
    if (type > 3) throw new CriError("internal", `Docker's stream is out of step: frame type ${type}`);
    if (type === 3) this.complaint = { parts: [], whole: false };
    this.#left = header.readUInt32BE(4);
    return type === 2 ? "stderr" : "stdout";
  }
}

const brokenOff = (complaint: Buffer[]): CriError =>
  new CriError("internal", `Docker broke the stream off: ${Buffer.concat(complaint).toString().trim()}`);
