import { constants, inflateRawSync } from "node:zlib";
import { dictionary, dictionaryId } from "./dictionary.js";
import { SpdyProtocolError } from "./errors.js";

/**
 * The name/value pairs of a frame (draft section 2.6.10), names in lower case. A name's several values came
 * joined by NUL. No stream of Kubernetes has more than three pairs of a few letters each.
 */
export type Headers = ReadonlyMap<string, readonly string[]>;

/** Limits, against blocks that say little and inflate to much. Go's own are 1000 pairs and 1 MiB a string. */
export const maxPairs = 16;
export const maxStringBytes = 4 * 1024;
export const maxBlockBytes = 16 * 1024;

/** What zlib looks back on at most (RFC 1950: a window of 32 KiB). */
const windowBytes = 32 * 1024;

/**
 * Reads the header blocks of one direction of one connection. They are one zlib stream, cut by sync flushes:
 * every block of SYN_STREAM, SYN_REPLY and HEADERS must be read here, in order, even when its frame is refused.
 *
 * A sync flush ends at a byte, so that all that a block takes from those before it is the last 32 KiB that
 * they inflated to. That text, as the dictionary of a raw inflate of its own for each block, makes this
 * synchronous, with a hard limit on the output and nothing to close; Node's zlib streams are asynchronous, and
 * its private synchronous call works once. A block costs some 50 microseconds. A peer that flushed with
 * Z_PARTIAL_FLUSH, which does not end at a byte, would be refused; Go's and zlib's own users sync.
 */
export class HeaderReader {
  private window: Buffer | undefined;

  /** @throws SpdyProtocolError when the block is not what the draft allows, or larger than the limits */
  read(block: Buffer): Headers {
    const started = this.window !== undefined;
    const window = this.window ?? firstWindow(block);
    const plain = inflateBlock(started ? block : block.subarray(zlibHeaderBytes(block)), window);
    this.window = Buffer.concat([window, plain]).subarray(-windowBytes);
    return parseBlock(plain);
  }
}

const usesDictionary = (block: Buffer): boolean => (block.readUInt8(1) & 0x20) !== 0;
const zlibHeaderBytes = (block: Buffer): number => (usesDictionary(block) ? 6 : 2);

/** Checks the zlib header that only the first block has (RFC 1950, section 2.2). */
function firstWindow(block: Buffer): Buffer {
  const whole = block.length >= 2 && block.length >= zlibHeaderBytes(block);
  if (!whole || block.readUInt16BE(0) % 31 !== 0 || (block.readUInt8(0) & 0x0f) !== 8) {
    throw new SpdyProtocolError("the first header block does not begin as a zlib stream");
  }
  if (!usesDictionary(block)) return Buffer.alloc(0);
  if (block.readUInt32BE(2) !== dictionaryId) {
    throw new SpdyProtocolError("the header blocks use another dictionary than SPDY/3's");
  }
  return dictionary;
}

function inflateBlock(deflated: Buffer, window: Buffer): Buffer {
  const options = {
    dictionary: window,
    finishFlush: constants.Z_SYNC_FLUSH,
    maxOutputLength: maxBlockBytes,
    info: true,
  };
  let result: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    // With `info` Node answers more than its types say: also how much of the input was used.
    result = inflateRawSync(deflated, options) as unknown as typeof result;
  } catch (cause) {
    throw new SpdyProtocolError("a header block that does not inflate, or to too much", { cause });
  }
  if (result.engine.bytesWritten !== deflated.length) {
    throw new SpdyProtocolError("a header block with bytes behind its end");
  }
  return result.buffer;
}

/**
 * Parses an inflated block: count, then length and text of each name and value. It must be used up exactly.
 * The rules are those of Go's reader: an upper-case name and one that comes twice are errors.
 * @throws SpdyProtocolError when it is malformed or over the limits
 */
export function parseBlock(plain: Buffer): Headers {
  let offset = 0;
  const word = (): number => {
    if (plain.length - offset < 4) throw new SpdyProtocolError("a header block that is cut short");
    offset += 4;
    return plain.readUInt32BE(offset - 4);
  };
  const text = (): string => {
    const length = word();
    if (length > maxStringBytes) throw new SpdyProtocolError(`a header string of ${length} bytes`);
    if (plain.length - offset < length) throw new SpdyProtocolError("a header block that is cut short");
    offset += length;
    return plain.toString("utf8", offset - length, offset);
  };

  const pairs = word();
  if (pairs > maxPairs) throw new SpdyProtocolError(`${pairs} header pairs in one block`);
  const headers = new Map<string, readonly string[]>();
  for (let pair = 0; pair < pairs; pair += 1) {
    const name = text();
    if (name === "") throw new SpdyProtocolError("a header without a name");
    if (name !== name.toLowerCase()) throw new SpdyProtocolError("a header name in upper case");
    if (headers.has(name)) throw new SpdyProtocolError("a header name that comes twice");
    if (notInSpdy.has(name)) throw new SpdyProtocolError(`a header that SPDY does not allow: ${name}`);
    headers.set(name, text().split("\0"));
  }
  if (offset !== plain.length) throw new SpdyProtocolError("a header block with bytes behind its pairs");
  return headers;
}

/** Headers of a hop, which make no sense inside a connection (draft section 3.2.1). */
const notInSpdy = new Set(["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding"]);

/** The plain form of a block. Names are written in lower case: readers take nothing else. */
export function writeBlock(pairs: Iterable<readonly [name: string, value: string]>): Buffer {
  const strings = [...pairs].flatMap(([name, value]) => [name.toLowerCase(), value]);
  const parts = strings.map((string) => Buffer.from(string)).flatMap((text) => [uint32(text.length), text]);
  return Buffer.concat([uint32(strings.length / 2), ...parts]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * An empty stored block. Go's inflater hands out what it has only at one; without it, it would look for the next
 * block behind the frame's end and fail.
 */
const syncFlush = Buffer.from("000000ffff", "hex");

/**
 * Writes the header blocks of one direction, as stored deflate blocks (RFC 1951, section 3.2.4): valid zlib
 * that refers to nothing, needs no compressor to be kept, and ends at a byte as a sync flush would. A server
 * only ever sends empty blocks, in SYN_REPLY, so there is nothing to compress.
 */
export class HeaderWriter {
  private started = false;

  /** @param pairs at most 64 KiB of them; their frame must be sent before the next is written */
  write(pairs: Iterable<readonly [name: string, value: string]> = []): Buffer {
    const plain = writeBlock(pairs);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(0xffff - plain.length, 3);
    const zlibHeader = this.started ? Buffer.alloc(0) : Buffer.from([0x78, 0x01]);
    this.started = true;
    return Buffer.concat([zlibHeader, stored, plain, syncFlush]);
  }
}
