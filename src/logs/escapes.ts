/**
 * The text of a JSON string, decoded from bytes to bytes (pure). Bytes that are not escaped pass as they are, so
 * nothing depends on whether they are valid UTF-8, and no character is ever cut.
 */

export const lineFeed = 0x0a;
export const quote = 0x22;
const backslash = 0x5c;
const u = 0x75;

/** What stands for the letter after a backslash (RFC 8259, section 7); 0 for no such escape. */
const simpleEscapes = new Uint8Array(256);
for (const [letter, meaning] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"]) {
  simpleEscapes[letter!.charCodeAt(0)] = meaning!.charCodeAt(0);
}

/** The value of a hexadecimal digit; 255 for any other byte. */
const hexDigits = new Uint8Array(256).fill(255);
for (let value = 0; value < 16; value += 1) {
  const digit = value.toString(16);
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

/** What decodeString tells of a string. */
export interface DecodedString {
  /** The place of its closing quote. */
  sourceEnd: number;
  /** The place behind its last decoded byte. */
  targetEnd: number;
  lineFeeds: number;
}

/**
 * Decodes the string that begins at `from` to `target[at]` and after, where as many bytes must be free as the
 * string has. It ends at a quote before `to`, whose place is told in `result`; false when it does not end, or has
 * an escape that JSON does not know. At `to` there must be a line feed, which no escape goes beyond.
 */
export function decodeString(
  source: Buffer,
  from: number,
  to: number,
  target: Buffer,
  at: number,
  result: DecodedString,
): boolean {
  const start = plainLength(source, from, to);
  const plain = start < shortestCopy ? 0 : start;
  let write = plain > 0 ? at + source.copy(target, at, from, from + plain) : at;
  result.lineFeeds = 0;
  for (let read = from + plain; read < to; read += 1) {
    let byte = source[read]!;
    if (byte === quote) {
      result.sourceEnd = read;
      result.targetEnd = write;
      return true;
    }
    if (byte === backslash) {
      byte = simpleEscapes[source[++read]!]!;
      if (byte === 0) {
        const code = source[read] === u ? codePoint(source, read + 1) : -1;
        if (code < 0) return false;
        read += code > 0xffff ? 10 : 4;
        if (code >= 0x80) {
          write = writeUtf8(code, target, write);
          continue;
        }
        byte = code;
      }
      if (byte === lineFeed) result.lineFeeds += 1;
    }
    target[write++] = byte;
  }
  return false;
}

/** Fewer bytes are copied in less time by the loop. */
const shortestCopy = 48;

/** How many bytes there are before the first that means something. Two native searches outrun a loop by far. */
function plainLength(source: Buffer, from: number, to: number): number {
  const escape = source.indexOf(backslash, from);
  const end = source.indexOf(quote, from);
  return Math.min(escape < 0 ? to : escape, end < 0 ? to : end, to) - from;
}

/**
 * The character whose four hexadecimal digits are at `at`, with those of the escape after it when the two are
 * surrogates. One surrogate alone is U+FFFD; -1 when there are no digits.
 */
function codePoint(source: Buffer, at: number): number {
  const code = codeUnit(source, at);
  if (code < 0xd800 || code >= 0xe000) return code;
  const pair = code < 0xdc00 && source[at + 4] === backslash && source[at + 5] === u;
  const low = pair ? codeUnit(source, at + 6) : -1;
  return low < 0xdc00 || low >= 0xe000 ? 0xfffd : 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/** The four hexadecimal digits at `at`; negative when they are none. */
function codeUnit(source: Buffer, at: number): number {
  const a = hexDigits[source[at]!]!;
  const b = hexDigits[source[at + 1]!]!;
  const c = hexDigits[source[at + 2]!]!;
  const d = hexDigits[source[at + 3]!]!;
  return (a | b | c | d) > 15 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

/** A character that ASCII does not have; never longer than the escape that it comes from. */
function writeUtf8(code: number, target: Buffer, at: number): number {
  let write = at;
  if (code < 0x800) {
    target[write++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      target[write++] = 0xe0 | (code >> 12);
    } else {
      target[write++] = 0xf0 | (code >> 18);
      target[write++] = 0x80 | ((code >> 12) & 0x3f);
    }
    target[write++] = 0x80 | ((code >> 6) & 0x3f);
  }
  target[write++] = 0x80 | (code & 0x3f);
  return write;
}
