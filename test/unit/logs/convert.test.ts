import assert from "node:assert/strict";
import { test } from "node:test";
import { convert } from "../../../src/logs/convert.js";
import { chance, type Chance } from "../../support/random.js";
import { entry, timeOf } from "./support.js";

const time = "2024-05-01T10:00:00.1Z";
const scratch = Buffer.alloc(64);

/** Of the whole text at once, without the scratch's memory. */
function converted(source: string | Buffer) {
  const result = convert(Buffer.from(source as string), scratch);
  return { ...result, output: Buffer.from(result.output) };
}

/** The text's bytes for the bytes of the JSON string that Docker has written. */
const raw = (json: string): string => `{"log":"${json}","stream":"stdout","time":"${time}"}\n`;

for (const [title, source, expected] of [
  ["a line is whole", entry("hello\n"), `${time} stdout F hello\n`],
  ["an error line is one of stderr", entry("no\n", { stream: "stderr" }), `${time} stderr F no\n`],
  ["an empty line stays one", entry("\n"), `${time} stdout F \n`],
  ["a piece without line feed is partial", entry("half"), `${time} stdout P half\n`],
  ["no text at all is a piece", raw(""), `${time} stdout P \n`],
  ["a terminal's carriage return stays", entry("a\r\n"), `${time} stdout F a\r\n`],
  [
    "the time stays as it is",
    entry("x\n", { time: "2024-05-01T10:00:00Z" }),
    "2024-05-01T10:00:00Z stdout F x\n",
  ],
  [
    "a time may have a zone",
    entry("x\n", { time: `${time.slice(0, -1)}+02:00` }),
    `${time.slice(0, -1)}+02:00 stdout F x\n`,
  ],
  ["attributes are left out", entry("x\n", { attrs: '{"tag":"a\\"}","b":{}}' }), `${time} stdout F x\n`],
  ["quotes and backslashes are text", entry('{"a":"\\"}\n'), `${time} stdout F {"a":"\\"}\n`],
  ["what looks like an entry is text", entry(entry("x\n")), `${time} stdout F ${entry("x\n")}`],
  ["Go's escapes of HTML are undone", raw("\\u003ca\\u0026b\\u003e\\n"), `${time} stdout F <a&b>\n`],
  [
    "control characters are undone",
    raw("\\u0000\\u001b[1m\\u0009\\t\\b\\f\\/\\n"),
    `${time} stdout F \0\x1b[1m\t\t\b\f/\n`,
  ],
  ["other characters pass", entry("größe 漢字 🐳\n"), `${time} stdout F größe 漢字 🐳\n`],
  [
    "escaped characters become UTF-8",
    raw("\\u00e9\\u6F22\\ud83d\\uDC33\\u2028\\n"),
    `${time} stdout F é漢🐳\u2028\n`,
  ],
  [
    "half a surrogate pair is U+FFFD",
    raw("\\ud83d \\udc33\\ud83d\\n"),
    `${time} stdout F \ufffd \ufffd\ufffd\n`,
  ],
  ["an escaped backslash escapes nothing", raw("\\\\u0041\\\\n"), `${time} stdout P \\u0041\\n\n`],
  ["a line feed inside makes two lines", entry("a\nb\n"), `${time} stdout F a\n${time} stdout F b\n`],
  [
    "and the last may be partial",
    raw("a\\u000a\\nb"),
    `${time} stdout F a\n${time} stdout F \n${time} stdout P b\n`,
  ],
  ["the next entry follows", entry("a\n") + entry("b\n"), `${time} stdout F a\n${time} stdout F b\n`],
] as const) {
  test(`of Docker's entries, ${title}`, () => {
    const { output, consumed, lines, damaged } = converted(source);
    assert.equal(output.toString(), expected);
    assert.deepEqual({ consumed, damaged }, { consumed: Buffer.byteLength(source), damaged: 0 });
    assert.equal(lines, expected.split("\n").length - 1);
  });
}

test("bytes that are not UTF-8 pass as they are", () => {
  const source = Buffer.from(entry("a\u00ff\u0080\\<\n"), "latin1");
  assert.deepEqual(converted(source).output, Buffer.from(`${time} stdout F a\u00ff\u0080\\<\n`, "latin1"));
});

const x = entry("x\n");
const kept = `${time} stdout F x\n`;
for (const [title, source, expected, damaged] of [
  ["an entry that Docker did not end, before the next one", `${x.slice(0, 30)}${x}`, kept, 1],
  ["one cut in its first bytes", `{"lo${x}`, kept, 1],
  ["one cut in an escape", `{"log":"ab\\u00${x}`, kept, 1],
  ["one cut behind a backslash", `{"log":"ab\\${x}`, kept, 1],
  ["one cut in its time", `${x.slice(0, -8)}${x}`, kept, 1],
  ["two that were cut", `{"log":"{"log":"b${x}`, kept, 1],
  ["an entry behind zeros", `\0\0\0${x}`, kept, 1],
  ["an entry cut by a line feed", `{"log":"ab\n${x}`, kept, 1],
  ["zeros", "\0\0\0\n", "", 1],
  ["an empty line", "\n", "", 1],
  ["another text", `hello\n${x}`, kept, 1],
  ["another stream", raw("x").replace("stdout", "stdin"), "", 1],
  ["another order", `{"stream":"stdout","log":"x\\n","time":"${time}"}\n`, "", 1],
  ["no text", `{"stream":"stdout","time":"${time}"}\n`, "", 1],
  ["no time", '{"log":"x\\n","stream":"stdout"}\n', "", 1],
  ["a time that is too short", entry("x\n", { time: "2024-05-01" }), "", 1],
  ["a time with a space", entry("x\n", { time: "2024-05-01 10:00:00.1Z" }), "", 1],
  ["something behind the time", x.replace("}\n", ',"a":1}\n'), "", 1],
  ["something between stream and time", x.replace(',"time"', ',"a":{},"time"'), "", 1],
  ["an escape that JSON does not have", raw("\\x"), "", 1],
  ["an escape of too few digits", raw("\\u12"), "", 1],
  ["an escape without digits", raw("\\u00zz"), "", 1],
] as const) {
  test(`what is no entry is damaged: ${title}`, () => {
    const result = converted(source);
    assert.equal(result.output.toString(), expected);
    assert.deepEqual([result.damaged, result.consumed], [damaged, source.length]);
  });
}

test("an entry without its line feed is not there yet", () => {
  assert.deepEqual(converted(x.slice(0, -1)), { output: Buffer.alloc(0), consumed: 0, lines: 0, damaged: 0 });
  assert.equal(converted(`${x}{"log":"y`).consumed, x.length);
});

/** The same, slowly, in the way that one would think of first. */
function reference(source: Buffer): { output: Buffer; damaged: number } {
  const lines = source.toString("latin1").split("\n").slice(0, -1);
  const outputs = lines.map((line) => {
    const starts = [0, ...[...line.matchAll(/\{"log":"/g)].map(({ index }) => index).reverse()];
    for (const start of starts) {
      const output = referenceEntry(line.slice(start));
      if (output) return { output, damaged: start > 0 ? 1 : 0 };
    }
    return { output: Buffer.alloc(0), damaged: 1 };
  });
  return {
    output: Buffer.concat(outputs.map(({ output }) => output)),
    damaged: outputs.reduce((sum, { damaged }) => sum + damaged, 0),
  };
}

function referenceEntry(line: string): Buffer | undefined {
  try {
    const utf8 = Buffer.from(line, "latin1").toString();
    const { log, stream, time: when } = JSON.parse(utf8) as { log: string; stream: string; time: string };
    const parts = log.split("\n");
    const last = parts.pop()!;
    return Buffer.from(
      parts.map((part) => `${when} ${stream} F ${part}\n`).join("") +
        (last === "" && parts.length > 0 ? "" : `${when} ${stream} P ${last}\n`),
    );
  } catch {
    return undefined;
  }
}

const pieces = ['"', "\\", "{", "}", ",", '{"log":"', "\n", "\r", "\t", "\0", "<", "&", "\u2028", "\ufffd"];
const letters = [..."abc :", "é", "漢", "🐳", "\u007f", "\ud83d"];
const pick = <T>(below: Chance, from: readonly T[]): T => from[below(from.length)]!;

function randomText(below: Chance): string {
  const from = below(3) > 0 ? letters.slice(0, 5) : [...letters, ...pieces];
  const text = Array.from({ length: below(below(8) > 0 ? 20 : 200) }, () => pick(below, from)).join("");
  return below(8) > 0 ? `${text.replaceAll("\n", "")}\n` : text;
}

function randomSource(below: Chance): Buffer {
  const lines = Array.from({ length: 1 + below(12) }, (_, number) => {
    const attrs = below(6) > 0 ? {} : { attrs: `{"tag":${JSON.stringify(pick(below, pieces))}}` };
    const options = { stream: pick(below, ["stdout", "stderr"]), time: timeOf(below(1e9)), ...attrs };
    const line = entry(randomText(below), options);
    return below(10) > 0
      ? line
      : pick(below, [line.slice(0, below(line.length)), `${number}\n`, "\n", "\0\0"]);
  });
  return Buffer.from(lines.join(""));
}

test("whatever Docker writes is converted as a slow reference does it, however it is cut", () => {
  for (let seed = 0; seed < 4000; seed += 1) {
    const below = chance(seed);
    const source = randomSource(below);
    const expected = reference(source);
    const whole = converted(source);
    assert.deepEqual(whole.output.toString(), expected.output.toString(), `seed ${seed}`);
    assert.equal(whole.damaged, expected.damaged, `seed ${seed}`);
    assert.equal(whole.lines, whole.output.filter((byte) => byte === 0x0a).length, `seed ${seed}`);

    const outputs: Buffer[] = [];
    let position = 0;
    let damaged = 0;
    for (let end = 0; position < whole.consumed; end += 1 + below(300)) {
      const piece = converted(source.subarray(position, end));
      outputs.push(piece.output);
      position += piece.consumed;
      damaged += piece.damaged;
    }
    assert.deepEqual(Buffer.concat(outputs).toString(), whole.output.toString(), `seed ${seed}`);
    assert.equal(damaged, whole.damaged, `seed ${seed}`);
  }
});
