import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityPatcher } from "../../../src/grpc/authority/hpack.js";
import { decodeHuffman, huffmanCode, walkHuffman } from "../../../src/grpc/authority/huffman.js";
import { Decoder, Encoder, type Header, huffman, integer, literal, resize } from "./hpack-codec.js";
import { chance } from "../../support/random.js";

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(/\s/g, ""), "hex");

/** Asks a patcher for its dynamic table, the newest first, with fields that leave the table as it is. */
function tableOf(patcher: AuthorityPatcher): ("authority" | "other")[] {
  const found: ("authority" | "other")[] = [];
  for (let index = 62; ; index++) {
    const result = patcher.patch(literal(index, "/", "plain"));
    if (result === "malformed") return found;
    found.push(result === "rewritten" ? "authority" : "other");
  }
}

/** How many octets the dynamic table has left before it would evict something, up to its limit. */
function roomIn(blocks: readonly Buffer[], limit: number): number {
  for (let size = limit; size > 32; size--) {
    const patcher = new AuthorityPatcher();
    for (const block of blocks) patcher.patch(Buffer.from(block));
    const before = tableOf(patcher).length;
    patcher.patch(literal("x", "y".repeat(size - 33), "added"));
    if (tableOf(patcher).length === before + 1) return size;
  }
  return 0;
}

const [authority, other] = ["authority", "other"] as const;

interface Vector {
  title: string;
  /** The table size of the example. */
  limit?: number;
  /** Each block, and the dynamic table behind it: the newest entry first, and the sum of sizes. */
  steps: { block: string; table: ("authority" | "other")[]; size?: number }[];
}

const vectors: Vector[] = [
  {
    title: "C.2.1: literal with indexing",
    steps: [
      { block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", table: [other], size: 55 },
    ],
  },
  {
    title: "C.2.2: literal without indexing",
    steps: [{ block: "040c 2f73 616d 706c 652f 7061 7468", table: [] }],
  },
  {
    title: "C.2.3: literal never indexed",
    steps: [{ block: "1008 7061 7373 776f 7264 0673 6563 7265 74", table: [] }],
  },
  { title: "C.2.4: indexed field", steps: [{ block: "82", table: [] }] },
  {
    title: "C.3: requests without Huffman coding",
    steps: [
      { block: "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", table: [authority], size: 57 },
      { block: "8286 84be 5808 6e6f 2d63 6163 6865", table: [other, authority], size: 110 },
      {
        block: "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        table: [other, other, authority],
        size: 164,
      },
    ],
  },
  {
    title: "C.4: requests with Huffman coding",
    steps: [
      { block: "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", table: [authority], size: 57 },
      { block: "8286 84be 5886 a8eb 1064 9cbf", table: [other, authority], size: 110 },
      {
        block: "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        table: [other, other, authority],
        size: 164,
      },
    ],
  },
  {
    title: "C.5: responses without Huffman coding, and eviction",
    limit: 256,
    steps: [
      {
        block: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133
          3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        table: [other, other, other, other],
        size: 222,
      },
      { block: "4803 3330 37c1 c0bf", table: [other, other, other, other], size: 222 },
      {
        block: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a
          6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178
          2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
        table: [other, other, other],
        size: 215,
      },
    ],
  },
  {
    title: "C.6: responses with Huffman coding, and eviction",
    limit: 256,
    steps: [
      {
        block: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
          29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        table: [other, other, other, other],
        size: 222,
      },
      { block: "4883 640e ffc1 c0bf", table: [other, other, other, other], size: 222 },
      {
        block: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d
          d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50
          07`,
        table: [other, other, other],
        size: 215,
      },
    ],
  },
];
for (const { title, steps, limit = 4096 } of vectors) {
  test(`walks RFC 7541 ${title}`, () => {
    const patcher = new AuthorityPatcher();
    const walked = [resize(limit)];
    assert.equal(patcher.patch(resize(limit)), "unchanged");
    for (const { block, table, size = 0 } of steps) {
      const bytes = hex(block);
      assert.equal(patcher.patch(bytes), "unchanged");
      assert.deepEqual(bytes, hex(block));
      assert.deepEqual(tableOf(patcher), table);
      walked.push(bytes);
      // What is left is what an entry could take, or nothing if that is less than an entry's overhead.
      const room = limit - size;
      assert.equal(roomIn(walked, limit), room > 32 ? room : 0);
    }
  });
}

test("the Huffman code has the code words of RFC 7541 Appendix B", () => {
  const words: [number, number, number][] = [
    [0, 0x1ff8, 13],
    [0x0a, 0x3ffffffc, 30],
    [0x16, 0x3ffffffe, 30],
    [0x2d, 0x16, 6],
    [0x2f, 0x18, 6],
    [0x30, 0, 5],
    [0x5c, 0x7fff0, 19],
    [0x7e, 0x1ffd, 13],
    [0xf9, 0xffffffe, 28],
    [0xff, 0x3ffffee, 26],
  ];
  for (const [octet, code, bits] of words) {
    assert.equal(huffmanCode(octet), code.toString(2).padStart(bits, "0"), `octet ${octet}`);
  }
});

test("the Huffman code is complete with EOS: every bit string is the start of something", () => {
  const shares = Array.from({ length: 256 }, (_, octet) => 2 ** -huffmanCode(octet).length);
  assert.equal(shares.reduce((sum, share) => sum + share, 0) + 2 ** -30, 1);
});

test("every octet survives the Huffman code", () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)).toString("latin1");
  assert.equal(decodeHuffman(huffman(all)), all);
});

const badHuffman = [
  { title: "a padding of a whole octet", bytes: [0xf8, 0xff] },
  { title: "a padding that is not all ones", bytes: [0b00000_000] },
  { title: "EOS", bytes: [0xff, 0xff, 0xff, 0xff] },
  { title: "a code that breaks off", bytes: [0xff, 0xc0] },
];
for (const { title, bytes } of badHuffman) {
  test(`a Huffman string with ${title} is malformed`, () => {
    assert.equal(
      walkHuffman(Buffer.from(bytes), () => {}),
      undefined,
    );
  });
}

const PATH = "/var/run/dockershim.sock";
const DASHED = "-var-run-dockershim.sock";

const forms = [
  { title: "a name by static index", name: 1 },
  { title: "a name spelled out", name: ":authority" },
];
for (const { title, name } of forms) {
  for (const coded of [false, true]) {
    for (const indexing of ["added", "plain", "never"] as const) {
      test(`a path authority is rewritten: ${title}, ${coded ? "Huffman" : "raw"}, ${indexing}`, () => {
        const block = literal(name, PATH, indexing, coded);
        assert.equal(new AuthorityPatcher().patch(block), "rewritten");
        assert.deepEqual(block, literal(name, DASHED, indexing, coded));
      });
    }
  }
}

test("an authority is rewritten whose name is an index into the dynamic table", () => {
  const patcher = new AuthorityPatcher();
  patcher.patch(Buffer.concat([literal(":authority", "localhost", "added"), literal("x", "y", "added")]));
  const block = Buffer.concat([literal(63, PATH, "plain"), literal(62, PATH, "plain")]);
  assert.equal(patcher.patch(block), "rewritten");
  assert.deepEqual(block, Buffer.concat([literal(63, DASHED, "plain"), literal(62, PATH, "plain")]));
});

test("the slashes of every other header stay", () => {
  const fields = [literal(4, "/pkg.Service/Method", "added", true), literal("x-path", "/a/b", "added")];
  const block = Buffer.concat([...fields, literal(1, "localhost", "added")]);
  const before = Buffer.from(block);
  assert.equal(new AuthorityPatcher().patch(block), "unchanged");
  assert.deepEqual(block, before);
});

test("an authority without a slash, an empty one and an indexed one are fine", () => {
  const patcher = new AuthorityPatcher();
  for (const block of [
    literal(1, "localhost:80", "added", true),
    literal(1, "", "plain"),
    integer(62, 0x80, 7),
  ]) {
    assert.equal(patcher.patch(block), "unchanged");
  }
});

test("an evicted entry is gone: its index names nothing", () => {
  const patcher = new AuthorityPatcher();
  patcher.patch(Buffer.concat([resize(64), literal(1, "a", "added")]));
  assert.deepEqual(tableOf(patcher), [authority]);
  patcher.patch(literal("x", "y", "added"));
  assert.deepEqual(tableOf(patcher), [other]);
});

test("a smaller table size evicts at once, and an entry larger than the table empties it", () => {
  const patcher = new AuthorityPatcher();
  patcher.patch(Buffer.concat([literal(1, "a", "added"), literal("x", "y", "added")]));
  patcher.patch(resize(40));
  assert.deepEqual(tableOf(patcher), [other]);
  assert.equal(patcher.patch(literal("x", "y".repeat(100), "added")), "unchanged");
  assert.deepEqual(tableOf(patcher), []);
});

test("an entry's size counts what a Huffman string stands for, not its encoded length", () => {
  const fits = "0".repeat(4096 - 32 - 10);
  const patcher = new AuthorityPatcher();
  patcher.patch(literal(1, fits, "added", true));
  assert.deepEqual(tableOf(patcher), [authority]);
  patcher.patch(literal(1, `${fits}0`, "added", true));
  assert.deepEqual(tableOf(patcher), []);
});

const malformed = [
  { title: "index 0", block: [0x80] },
  { title: "an index behind the table", block: [0xbe] },
  { title: "a name index behind the table", block: [0x7e, 0x01, 0x61] },
  { title: "a string longer than the block", block: [0x41, 0x05, 0x61] },
  { title: "a literal without a value", block: [0x41] },
  { title: "an integer that does not end", block: [0xff, 0x80] },
  { title: "an integer beyond all bounds", block: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01] },
  { title: "a table size above the limit", block: [...resize(4097)] },
  { title: "a bad Huffman value", block: [0x41, 0x81, 0x00] },
  { title: "a bad Huffman name", block: [0x40, 0x81, 0x00, 0x00] },
];
for (const { title, block } of malformed) {
  test(`a block with ${title} is malformed`, () => {
    assert.equal(new AuthorityPatcher().patch(Buffer.from(block)), "malformed");
  });
}

const NAMES = [":authority", ":path", ":method", "te", "grpc-timeout", "x-long-header-name"];
const VALUES = [
  "",
  "/",
  "GET",
  "localhost",
  PATH,
  "/a//b/",
  "grpc-go/1.27.1",
  "\u0000\u00ff/",
  "y".repeat(150),
];

function randomHeaders(choose: (choices: number) => number): Header[] {
  return Array.from({ length: choose(8) }, () => [NAMES[choose(6)] ?? "", VALUES[choose(9)] ?? ""]);
}

test("whatever an encoder chooses, a decoder reads the same headers with dashes in the authority", () => {
  for (let seed = 0; seed < 300; seed++) {
    const choose = chance(seed);
    const [encoder, patcher, decoder] = [new Encoder(choose), new AuthorityPatcher(), new Decoder()];
    for (let request = 0; request < 20; request++) {
      const headers = randomHeaders(choose);
      const block = encoder.encode(headers);
      assert.notEqual(patcher.patch(block), "malformed", `seed ${seed}`);
      const want = headers.map(([name, value]) => [
        name,
        name === ":authority" ? value.replaceAll("/", "-") : value,
      ]);
      assert.deepEqual(decoder.decode(block), want, `seed ${seed}`);
    }
  }
});

test("random and damaged blocks never throw, and keep their length", () => {
  const choose = chance(7541);
  const counts = { unchanged: 0, rewritten: 0, malformed: 0 };
  for (let round = 0; round < 20_000; round++) {
    const block =
      round % 2 === 0
        ? Buffer.from(Array.from({ length: choose(40) }, () => choose(256)))
        : new Encoder(choose).encode(randomHeaders(choose));
    for (let damage = choose(3); damage > 0 && block.length > 0; damage--)
      block[choose(block.length)] = choose(256);
    const length = block.length;
    counts[new AuthorityPatcher().patch(block)]++;
    assert.equal(block.length, length);
  }
  // All three outcomes, or the test looks at less than it seems to.
  for (const [outcome, count] of Object.entries(counts)) assert(count > 100, `${outcome}: ${count}`);
});
