/** Bits of each octet's code, then of EOS (RFC 7541 Appendix B). The code is canonical, so lengths are all of it. */
// prettier-ignore
const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const LONGEST = 30;
const EOS = 256;

/** A canonical code numbers its symbols in order of length, then of value. */
const SYMBOLS = CODE_LENGTHS.map((_, symbol) => symbol).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);

/** For each length: its first code, how many codes have it, and where they begin in SYMBOLS. */
const CODES_OF_LENGTH = codesByLength();

/**
 * Reads a Huffman string (RFC 7541 section 5.2) and tells `visit` each octet, with the offset in bits of its
 * code. Returns how many there were, or undefined when the string is malformed: EOS within it, or padding that
 * is longer than 7 bits or not all ones. `visit` may change the bits of the code that it is told of.
 */
export function walkHuffman(
  bytes: Uint8Array,
  visit: (octet: number, bitOffset: number) => void,
): number | undefined {
  let [code, length, octets] = [0, 0, 0];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    code = code * 2 + (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    length++;
    const symbol = symbolOf(code, length);
    if (symbol === EOS || length > LONGEST) return undefined;
    if (symbol === undefined) continue;
    visit(symbol, bit + 1 - length);
    octets++;
    [code, length] = [0, 0];
  }
  const padding = 2 ** length - 1;
  return length < 8 && code === padding ? octets : undefined;
}

/** The text of a Huffman string, an octet a character; undefined when it is malformed. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  const octets: number[] = [];
  const length = walkHuffman(bytes, (octet) => octets.push(octet));
  return length === undefined ? undefined : Buffer.from(octets).toString("latin1");
}

/** The code of each octet as text of ones and zeros, for whoever writes Huffman strings. */
export function huffmanCode(octet: number): string {
  const length = lengthOf(octet);
  const group = CODES_OF_LENGTH[length];
  if (!group) throw new RangeError(`${octet} is not an octet`);
  const code = group.firstCode + SYMBOLS.indexOf(octet) - group.firstSymbol;
  return code.toString(2).padStart(length, "0");
}

function lengthOf(symbol: number): number {
  return CODE_LENGTHS[symbol] ?? 0;
}

function symbolOf(code: number, length: number): number | undefined {
  const group = CODES_OF_LENGTH[length];
  if (!group || code - group.firstCode >= group.count) return undefined;
  return SYMBOLS[group.firstSymbol + code - group.firstCode];
}

function codesByLength(): readonly { firstCode: number; count: number; firstSymbol: number }[] {
  let [firstCode, firstSymbol] = [0, 0];
  return Array.from({ length: LONGEST + 1 }, (_, length) => {
    const count = CODE_LENGTHS.filter((each) => each === length).length;
    const group = { firstCode, count, firstSymbol };
    firstCode = (firstCode + count) * 2;
    firstSymbol += count;
    return group;
  });
}
