import { decodeHuffman, walkHuffman } from "./huffman.js";

/** RFC 7541 Appendix A: the names only, since no value matters here. */
const STATIC_NAMES = [
  ...[":authority", ":method", ":method", ":path", ":path", ":scheme", ":scheme", ":status", ":status"],
  ...[":status", ":status", ":status", ":status", ":status", "accept-charset", "accept-encoding"],
  ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"],
  ...["authorization", "cache-control", "content-disposition", "content-encoding", "content-language"],
  ...["content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"],
  ...["expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"],
  ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate"],
  ...["proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie"],
  ...["strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate"],
] as const;

/** SETTINGS_HEADER_TABLE_SIZE as Node's server leaves it; a larger update is a decoding error to nghttp2 too. */
const TABLE_SIZE_LIMIT = 4096;
/** What an entry counts beyond its name and value (RFC 7541 section 4.1). */
const ENTRY_OVERHEAD = 32;

const SLASH = 0x2f;
const DASH = 0x2d;
/** '/' is 011000 and '-' is 010110: of the code's six bits, the third to the fifth differ. */
const DIFFERING_BITS = [2, 3, 4] as const;

/** What was done to a header block; a malformed one is the receiver's to refuse. */
export type BlockResult = "unchanged" | "rewritten" | "malformed";

/**
 * Makes a path an acceptable :authority: walks the header blocks of one connection, in order, and turns each
 * '/' of a literal :authority into '-' where it stands.
 *
 * Nothing is encoded anew. Both characters take as many bits, raw or in Huffman code, so every length stays;
 * and since the receiver puts the rewritten value in its dynamic table, later references need no care. What has
 * to be tracked is the table's names and sizes, to know what name an index stands for (RFC 7541 section 2.3.3).
 */
export class AuthorityPatcher {
  #table: { name: string; size: number }[] = [];
  #tableSize = 0;
  #tableLimit = TABLE_SIZE_LIMIT;

  /**
   * Patches a complete header block (RFC 7541 section 6) in place. After "malformed", which may leave earlier
   * fields patched, the table is out of step and no further block can be read.
   */
  patch(block: Uint8Array): BlockResult {
    const reader = new BlockReader(block);
    let rewritten = false;
    while (!reader.atEnd) {
      const form = formOf(reader.peek());
      const number = reader.integer(form.prefix);
      if (number === undefined) return "malformed";

      if (form.kind === "resize") {
        if (number > TABLE_SIZE_LIMIT) return "malformed";
        this.#tableLimit = number;
        this.#evictTo(number);
        continue;
      }
      if (form.kind === "indexed") {
        if (this.#nameAt(number) === undefined) return "malformed";
        continue;
      }

      const name = number === 0 ? textOf(reader.string()) : this.#nameAt(number);
      const value = reader.string();
      const length = value && lengthOf(value);
      if (name === undefined || value === undefined || length === undefined) return "malformed";
      if (name === ":authority" && replaceSlashes(value)) rewritten = true;
      if (form.kind === "added") this.#add(name, name.length + length + ENTRY_OVERHEAD);
    }
    return rewritten ? "rewritten" : "unchanged";
  }

  /** RFC 7541 section 2.3.3: the static table's entries, then the dynamic table's, the newest first. */
  #nameAt(index: number): string | undefined {
    return index <= STATIC_NAMES.length
      ? STATIC_NAMES[index - 1]
      : this.#table[index - STATIC_NAMES.length - 1]?.name;
  }

  /** RFC 7541 section 4.4: an entry larger than the table empties it, and that is no error. */
  #add(name: string, size: number): void {
    this.#evictTo(this.#tableLimit - size);
    if (size > this.#tableLimit) return;
    this.#table.unshift({ name, size });
    this.#tableSize += size;
  }

  #evictTo(size: number): void {
    while (this.#tableSize > size) {
      const oldest = this.#table.pop();
      if (!oldest) return;
      this.#tableSize -= oldest.size;
    }
  }
}

/** How a field begins (RFC 7541 section 6): what it is, and how many bits its first integer has there. */
function formOf(octet: number): { kind: "indexed" | "added" | "resize" | "literal"; prefix: number } {
  if (octet & 0x80) return { kind: "indexed", prefix: 7 };
  if (octet & 0x40) return { kind: "added", prefix: 6 };
  if (octet & 0x20) return { kind: "resize", prefix: 5 };
  return { kind: "literal", prefix: 4 };
}

interface StringLiteral {
  readonly bytes: Uint8Array;
  readonly huffman: boolean;
}

function textOf(literal: StringLiteral | undefined): string | undefined {
  if (!literal) return undefined;
  return literal.huffman ? decodeHuffman(literal.bytes) : Buffer.from(literal.bytes).toString("latin1");
}

function lengthOf({ bytes, huffman }: StringLiteral): number | undefined {
  return huffman ? walkHuffman(bytes, () => {}) : bytes.length;
}

function replaceSlashes({ bytes, huffman }: StringLiteral): boolean {
  let found = false;
  if (!huffman) {
    for (let at = bytes.indexOf(SLASH); at >= 0; at = bytes.indexOf(SLASH, at)) {
      bytes[at] = DASH;
      found = true;
    }
    return found;
  }
  walkHuffman(bytes, (octet, bitOffset) => {
    if (octet !== SLASH) return;
    for (const bit of DIFFERING_BITS) flipBit(bytes, bitOffset + bit);
    found = true;
  });
  return found;
}

function flipBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
}

/** Reads RFC 7541 section 5's primitives; undefined where the block ends too early. */
class BlockReader {
  #at = 0;

  constructor(private readonly block: Uint8Array) {}

  get atEnd(): boolean {
    return this.#at >= this.block.length;
  }

  peek(): number {
    return this.block[this.#at] ?? 0;
  }

  /** Section 5.1. Five continuation octets say more than any index or length here may be. */
  integer(prefix: number): number | undefined {
    if (this.atEnd) return undefined;
    const limit = 2 ** prefix - 1;
    let value = this.peek() & limit;
    this.#at++;
    if (value < limit) return value;
    for (let shift = 0; shift <= 28 && !this.atEnd; shift += 7) {
      const octet = this.peek();
      this.#at++;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    return undefined;
  }

  /** Section 5.2. The bytes share the block's memory. */
  string(): StringLiteral | undefined {
    const huffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    if (length === undefined || length > this.block.length - this.#at) return undefined;
    const bytes = this.block.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { bytes, huffman };
  }
}
