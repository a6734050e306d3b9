/**
 * Docker's json-file entries to CRI log lines (pure).
 *
 * Docker writes one entry a line (moby, daemon/logger/jsonfilelog/jsonlog), "attrs" only when it was asked to:
 *   {"log":"text\n","stream":"stdout","attrs":{…},"time":"2024-05-01T10:00:00.123456789Z"}
 * The CRI log format (kubelet, cri-client/pkg/logs) is, with F for a whole line and P for a piece of one:
 *   2024-05-01T10:00:00.123456789Z stdout F text
 * Docker cuts lines at 16 KiB and leaves the line feed off all pieces but the last; when a container's output
 * ends without one, so does its last piece, which is P here as containerd writes it.
 *
 * What becomes of a line depends on its own bytes alone, never on how reads cut the file: follower.ts finds out
 * after a crash by converting again how much of a file it had written.
 */
import { decodeString, lineFeed, quote, type DecodedString } from "./escapes.js";

export interface Converted {
  /** The CRI lines; valid until `scratch` is used again. */
  output: Buffer;
  /** How many bytes of the chunk are dealt with: all up to its last line feed. */
  consumed: number;
  /** How many lines the output has. */
  lines: number;
  /** How many lines of the chunk were no entry, or ended in one behind something else. */
  damaged: number;
}

const space = 0x20;
const backslash = 0x5c;
const full = 0x46;
const partial = 0x50;

const head = Buffer.from('{"log":"');
const streamKey = Buffer.from('","stream":"');
const stdout = { name: Buffer.from("stdout"), word: Buffer.from(" stdout ") };
const stderr = { name: Buffer.from("stderr"), word: Buffer.from(" stderr ") };
const timeKey = Buffer.from('","time":"');
const attributesKey = Buffer.from('","attrs":');
const tail = Buffer.from('"}');
/** RFC 3339 with nanoseconds and a zone, and without either. */
const longestTime = 35;
const shortestTime = 20;

/** @param scratch where the output is put; another is made when it is too small */
export function convert(chunk: Buffer, scratch: Buffer): Converted {
  const target = scratch.length < chunk.length ? Buffer.allocUnsafeSlow(chunk.length) : scratch;
  const place: Place = { target, at: 0, lines: 0 };
  let consumed = 0;
  let damaged = 0;
  for (;;) {
    const lineEnd = chunk.indexOf(lineFeed, consumed);
    if (lineEnd < 0) break;
    if (!writeEntry(chunk, consumed, lineEnd, place)) {
      damaged += 1;
      salvage(chunk, consumed, lineEnd, place);
    }
    consumed = lineEnd + 1;
  }
  return { output: place.target.subarray(0, place.at), consumed, lines: place.lines, damaged };
}

/** Where the output goes on. There is room for the rest: what an entry becomes is shorter than the entry. */
interface Place {
  target: Buffer;
  at: number;
  lines: number;
}

/**
 * Docker was killed, or its disk was full, while it wrote an entry, and the next one was appended to the piece.
 * A container cannot write what looks like the head of an entry: its quotes are escaped.
 */
function salvage(chunk: Buffer, lineStart: number, lineEnd: number, place: Place): void {
  const line = chunk.subarray(lineStart, lineEnd);
  for (let from = line.lastIndexOf(head); from > 0; from = line.lastIndexOf(head, from - 1)) {
    if (writeEntry(chunk, lineStart + from, lineEnd, place)) return;
  }
}

const text: DecodedString = { sourceEnd: 0, targetEnd: 0, lineFeeds: 0 };

/** Writes what is the entry from `from` to the line feed at `lineEnd`; false when that is none. */
function writeEntry(chunk: Buffer, from: number, lineEnd: number, place: Place): boolean {
  const timeEnd = lineEnd - tail.length;
  const timeStart = startOfTime(chunk, timeEnd);
  if (timeStart < from || !has(head, chunk, from) || !has(tail, chunk, timeEnd)) return false;

  const { target, at } = place;
  const textStart = at + (timeEnd - timeStart) + stdout.word.length + 2;
  if (!decodeString(chunk, from + head.length, lineEnd, target, textStart, text)) return false;
  const word = streamBetween(chunk, text.sourceEnd, timeStart);
  if (word === undefined) return false;

  let write = copy(chunk, timeStart, timeEnd, target, at);
  write = copy(word, 0, word.length, target, write);
  const whole = text.lineFeeds > 0 && target[text.targetEnd - 1] === lineFeed;
  target[write] = whole ? full : partial;
  target[write + 1] = space;
  if (!whole) target[text.targetEnd++] = lineFeed;
  place.at = text.targetEnd;
  place.lines += 1;
  if (text.lineFeeds > (whole ? 1 : 0)) splitLine(place, at, textStart, whole, chunk.length - lineEnd);
  return true;
}

/** Where the word that ends at `timeEnd` begins behind its quote, if it is as long as times are; otherwise -1. */
function startOfTime(chunk: Buffer, timeEnd: number): number {
  for (let start = timeEnd; start >= Math.max(timeEnd - longestTime, 1); start -= 1) {
    const before = chunk[start - 1]!;
    if (before === quote) return start <= timeEnd - shortestTime ? start : -1;
    if (before <= space || before === backslash) return -1;
  }
  return -1;
}

/** The stream's CRI word, when between the text's end and the time there is what Docker writes there. */
function streamBetween(chunk: Buffer, textEnd: number, timeStart: number): Buffer | undefined {
  if (!has(streamKey, chunk, textEnd)) return undefined;
  const nameStart = textEnd + streamKey.length;
  const stream = has(stdout.name, chunk, nameStart) ? stdout : stderr;
  if (stream === stderr && !has(stderr.name, chunk, nameStart)) return undefined;
  const nameEnd = nameStart + stream.name.length;
  if (nameEnd + timeKey.length === timeStart) return has(timeKey, chunk, nameEnd) ? stream.word : undefined;
  if (!has(attributesKey, chunk, nameEnd)) return undefined;
  const rest = chunk.toString("latin1", nameEnd + attributesKey.length, timeStart);
  return rest.endsWith(',"time":"') && isJson(rest.slice(0, -',"time":"'.length)) ? stream.word : undefined;
}

/** An entry that was cut in its attributes, with another one behind it, must not pass for one. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Docker never writes an entry with a line feed inside its text. If something does, each of its lines becomes
 * one of the CRI file, where a line feed has no other meaning.
 * @param needed how many bytes must be free behind it
 */
function splitLine(place: Place, start: number, textStart: number, whole: boolean, needed: number): void {
  const prefix = place.target.toString("latin1", start, textStart - 2);
  const lines = place.target.toString("latin1", textStart, place.at - 1).split("\n");
  const tags = lines.map((_, index) => (whole || index < lines.length - 1 ? "F" : "P"));
  const split = lines.map((line, index) => `${prefix}${tags[index]} ${line}\n`).join("");
  place.at = start + split.length;
  if (place.at + needed > place.target.length) {
    place.target = Buffer.concat([place.target.subarray(0, start)], place.at + needed);
  }
  place.target.write(split, start, "latin1");
  place.lines += lines.length - 1;
}

/** Shorter than a call into native code for as few bytes as there are here. */
function copy(source: Buffer, from: number, to: number, target: Buffer, at: number): number {
  let write = at;
  for (let read = from; read < to; read += 1) target[write++] = source[read]!;
  return write;
}

function has(bytes: Buffer, chunk: Buffer, at: number): boolean {
  for (let index = 0; index < bytes.length; index += 1) {
    if (chunk[at + index] !== bytes[index]) return false;
  }
  return true;
}
