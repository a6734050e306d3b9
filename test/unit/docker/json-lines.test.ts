import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { jsonLines } from "../../../src/docker/json-lines.js";

async function read(pieces: Iterable<Buffer>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of jsonLines(Readable.from(pieces))) values.push(value);
  return values;
}

const everyNth = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );

const values = [
  { status: "Pulling" },
  { status: "größe 漢字 🐳", id: "a\nb" },
  { progressDetail: {} },
  7,
  null,
];
const text = Buffer.from(values.map((value) => JSON.stringify(value)).join("\n"));

for (const size of [1, 2, 3, 5, 64, 4096]) {
  test(`values are whole, characters too, when ${size} bytes arrive at a time`, async () => {
    assert.deepEqual(await read(everyNth(text, size)), values);
  });
}

for (const [title, lines, expected] of [
  ["nothing gives nothing", "", []],
  ["a last line needs no newline", '{"a":1}\n{"a":2}', [{ a: 1 }, { a: 2 }]],
  ["Docker's progress ends its lines with CR LF", '{"a":1}\r\n{"a":2}\r\n', [{ a: 1 }, { a: 2 }]],
  ["empty lines are skipped", '\n\n{"a":1}\n  \n\n', [{ a: 1 }]],
] as [string, string, unknown[]][]) {
  test(title, async () => assert.deepEqual(await read([Buffer.from(lines)]), expected));
}

test("a value is handed on as soon as its line is complete", async () => {
  const source = new Readable({ read: () => undefined });
  const read = jsonLines(source);
  source.push('{"a":1}\n{"a"');
  assert.deepEqual((await read.next()).value, { a: 1 });
  source.push(":2}\n");
  assert.deepEqual((await read.next()).value, { a: 2 });
  source.push(null);
  assert.equal((await read.next()).done, true);
});

for (const [title, lines] of [
  ["a line that is no JSON", '{"a":1}\nnot json\n'],
  ["a stream that ends inside a value", '{"a":1}\n{"a":'],
] as const) {
  test(`${title} is an error after the values before it`, async () => {
    const seen: unknown[] = [];
    await assert.rejects(async () => {
      for await (const value of jsonLines(Readable.from([Buffer.from(lines)]))) seen.push(value);
    }, SyntaxError);
    assert.deepEqual(seen, [{ a: 1 }]);
  });
}
