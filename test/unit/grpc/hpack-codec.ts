// A small HPACK encoder and decoder of the tests' own, so that the code under test is not judged by itself.
import assert from "node:assert/strict";
import { huffmanCode } from "../../../src/grpc/authority/huffman.js";

export type Header = readonly [name: string, value: string];
/** How a field is written: RFC 7541 sections 6.2.1 to 6.2.3. */
export type Indexing = "added" | "plain" | "never";

const PREFIX = { added: [0x40, 6], plain: [0, 4], never: [0x10, 4] } as const;
const STATIC_COUNT = 61;
/** The part of the static table that the tests write with. */
const STATIC: readonly Header[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
];

export function integer(value: number, flags: number, prefix: number): Buffer {
  const limit = 2 ** prefix - 1;
  if (value < limit) return Buffer.from([flags | value]);
  const octets = [flags | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return Buffer.from([...octets, rest]);
}

export function huffman(text: string): Buffer {
  const bits = [...Buffer.from(text, "latin1")].map(huffmanCode).join("");
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

export function text(value: string, coded: boolean): Buffer {
  const bytes = coded ? huffman(value) : Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length, coded ? 0x80 : 0, 7), bytes]);
}

export function resize(size: number): Buffer {
  return integer(size, 0x20, 5);
}

/** A literal whose name is spelled out, or is the name of an indexed entry. */
export function literal(name: string | number, value: string, indexing: Indexing, coded = false): Buffer {
  const [flags, prefix] = PREFIX[indexing];
  const start = integer(typeof name === "number" ? name : 0, flags, prefix);
  return Buffer.concat(
    [start, typeof name === "number" ? "" : text(name, coded), text(value, coded)].map(toBuffer),
  );
}

function toBuffer(part: Buffer | string): Buffer {
  return typeof part === "string" ? Buffer.from(part) : part;
}

class Table {
  entries: Header[] = [];
  limit = 4096;

  at(index: number): Header {
    const entry = index <= STATIC_COUNT ? STATIC[index - 1] : this.entries[index - STATIC_COUNT - 1];
    assert(entry, `no entry ${index}`);
    return entry;
  }

  add(header: Header): void {
    this.entries.unshift(header);
    this.evict();
  }

  evict(): void {
    const size = (): number =>
      this.entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.limit) this.entries.pop();
  }

  find(wanted: (header: Header) => boolean): number | undefined {
    const dynamic = this.entries.findIndex(wanted);
    if (dynamic >= 0) return dynamic + STATIC_COUNT + 1;
    const fixed = STATIC.findIndex(wanted);
    return fixed >= 0 ? fixed + 1 : undefined;
  }
}

/** Encodes as `choose` says, which is asked for a number from 0 to below its argument. */
export class Encoder {
  readonly #table = new Table();

  constructor(private readonly choose: (choices: number) => number) {}

  encode(headers: readonly Header[]): Buffer {
    const resized =
      this.choose(8) === 0 ? this.#resize([0, 64, 200, 4096][this.choose(4)] ?? 0) : Buffer.alloc(0);
    return Buffer.concat([resized, ...headers.map((header) => this.#field(header))]);
  }

  #resize(size: number): Buffer {
    this.#table.limit = size;
    this.#table.evict();
    return resize(size);
  }

  #field([name, value]: Header): Buffer {
    const whole = this.#table.find((entry) => entry[0] === name && entry[1] === value);
    if (whole !== undefined && this.choose(4) > 0) return integer(whole, 0x80, 7);
    const known = this.#table.find((entry) => entry[0] === name);
    const indexing = (["added", "plain", "never"] as const)[this.choose(3)] ?? "added";
    const bytes = literal(this.choose(4) > 0 ? (known ?? name) : name, value, indexing, this.choose(2) === 0);
    if (indexing === "added") this.#table.add([name, value]);
    return bytes;
  }
}

const OCTET_OF_CODE = new Map(Array.from({ length: 256 }, (_, octet) => [huffmanCode(octet), octet]));

/** Decodes what Encoder writes, and fails on anything else. */
export class Decoder {
  readonly #table = new Table();
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  decode(block: Buffer): Header[] {
    this.#block = block;
    this.#at = 0;
    const headers: Header[] = [];
    while (this.#at < block.length) {
      const first = block.readUInt8(this.#at);
      if (first >= 0x80) {
        headers.push(this.#table.at(this.#integer(7)));
      } else if (first >= 0x20 && first < 0x40) {
        this.#table.limit = this.#integer(5);
        this.#table.evict();
      } else {
        const index = this.#integer(first >= 0x40 ? 6 : 4);
        const header: Header = [index === 0 ? this.#text() : this.#table.at(index)[0], this.#text()];
        headers.push(header);
        if (first >= 0x40) this.#table.add(header);
      }
    }
    return headers;
  }

  #integer(prefix: number): number {
    const limit = 2 ** prefix - 1;
    let value = this.#block.readUInt8(this.#at++) & limit;
    if (value < limit) return value;
    for (let scale = 1; ; scale *= 128) {
      const octet = this.#block.readUInt8(this.#at++);
      value += (octet % 128) * scale;
      if (octet < 128) return value;
    }
  }

  #text(): string {
    const coded = this.#block.readUInt8(this.#at) >= 0x80;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    assert.equal(bytes.length, length);
    this.#at += length;
    if (!coded) return bytes.toString("latin1");
    const octets: number[] = [];
    let code = "";
    for (const bit of [...bytes].map((octet) => octet.toString(2).padStart(8, "0")).join("")) {
      code += bit;
      const octet = OCTET_OF_CODE.get(code);
      if (octet === undefined) continue;
      octets.push(octet);
      code = "";
    }
    assert.match(code, /^1{0,7}$/);
    return Buffer.from(octets).toString("latin1");
  }
}
