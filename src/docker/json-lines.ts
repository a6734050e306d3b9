import type { Readable } from "node:stream";

/** The JSON values of a stream that has one a line (Docker's events and progress), as they arrive. */
export async function* jsonLines<T>(source: Readable): AsyncGenerator<T> {
  let pending = "";
  const decoder = new TextDecoder();
  for await (const piece of source as AsyncIterable<Buffer>) {
    const lines = (pending + decoder.decode(piece, { stream: true })).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as T;
  }
  if (pending.trim() !== "") yield JSON.parse(pending) as T;
}
