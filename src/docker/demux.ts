import type { Readable } from "node:stream";
import { CriError } from "../errors.js";

export interface Chunk {
  stream: "stdout" | "stderr";
  data: Buffer;
}

const headerBytes = 8;

/**
 * Splits Docker's multiplexed stream into its parts, as they arrive, at the reader's pace.
 * Frame: type(1) 0 0 0 length(4, big-endian) payload; types 0 and 1 are stdout, 2 stderr, 3 an error text of
 * the daemon. A stream that ends inside a frame is taken as a plain end, as Docker's own reader does.
 * @throws CriError internal on a type-3 frame or an unknown type
 */
export async function* demux(source: Readable): AsyncGenerator<Chunk> {
  let header = Buffer.alloc(0);
  let type = 0;
  let left = 0;
  let complaint: Buffer[] | undefined;

  for await (const piece of source as AsyncIterable<Buffer>) {
    let rest = piece;
    while (rest.length > 0) {
      if (left > 0) {
        const data = rest.subarray(0, left);
        rest = rest.subarray(data.length);
        left -= data.length;
        if (complaint) complaint.push(data);
        else yield { stream: type === 2 ? "stderr" : "stdout", data };
      } else {
        const wanted = headerBytes - header.length;
        header = Buffer.concat([header, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (header.length < headerBytes) break;
        type = header[0] ?? 0;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        if (type > 3) throw new CriError("internal", `Docker's stream is out of step: frame type ${type}`);
        if (type === 3) complaint = [];
      }
      if (complaint && left === 0) throw brokenOff(complaint);
    }
  }
  if (complaint) throw brokenOff(complaint);
}

const brokenOff = (complaint: Buffer[]): CriError =>
  new CriError("internal", `Docker broke the stream off: ${Buffer.concat(complaint).toString().trim()}`);
