import assert from "node:assert/strict";
import { test } from "node:test";
import type { TerminalSize } from "../../../src/docker/engine.js";
import { Resizer, SizeDecoder } from "../../../src/streaming/resize.js";
import { deferred } from "../../../src/waiting.js";
import { turns } from "../../support/scripted-engine.js";

/** What a client that sends these pieces asks for, as "WIDTHxHEIGHT". */
const decoded = (...pieces: (string | Buffer)[]): string[] => {
  const decoder = new SizeDecoder();
  return pieces.flatMap((piece) => decoder.push(Buffer.from(piece))).map(toText);
};
const toText = ({ width, height }: TerminalSize): string => `${width}x${height}`;

for (const { title, pieces, want } of [
  { title: "one event, as client-go writes it", pieces: ['{"Width":80,"Height":24}\n'], want: ["80x24"] },
  { title: "an event without an end of line", pieces: ['{"Width":80,"Height":24}'], want: ["80x24"] },
  {
    title: "several events in one piece, in order",
    pieces: ['{"Width":79,"Height":24}\n{"Width":80,"Height":24}\n{"Width":1,"Height":2}'],
    want: ["79x24", "80x24", "1x2"],
  },
  {
    title: "pieces cut anywhere, even inside a number",
    pieces: ['{"Wid', 'th":8', '0,"Height":2', "4", '}\n{"Width":1', ',"Height":2}'],
    want: ["80x24", "1x2"],
  },
  { title: "the other order", pieces: ['{"Height":24,"Width":80}'], want: ["80x24"] },
  {
    title: "keys in any case, as Go does",
    pieces: ['{"width":1,"height":2}{"WIDTH":3,"HEIGHT":4}{"wIdTh":5,"hEiGhT":6}'],
    want: ["1x2", "3x4", "5x6"],
  },
  {
    title: "more keys than it needs",
    pieces: ['{"Width":80,"Height":24,"x":"é","__proto__":1}'],
    want: ["80x24"],
  },
  { title: "space where JSON has it", pieces: [' \r\n{ "Width" : 80 ,\n "Height": 24 }\t'], want: ["80x24"] },
  {
    title: "the greatest and the least size that there can be",
    pieces: ['{"Width":65535,"Height":65535}{"Width":1,"Height":1}'],
    want: ["65535x65535", "1x1"],
  },
]) {
  test(`sizes are read from ${title}`, () => assert.deepEqual(decoded(...pieces), want));
}

test("a character cut in two does not stop the reading", () => {
  const event = Buffer.from('{"é":1,"Width":80,"Height":24}');
  const cut = event.indexOf("é") + 1;
  assert.deepEqual(decoded(event.subarray(0, cut), event.subarray(cut)), ["80x24"]);
});

for (const event of [
  '{"Width":0,"Height":24}',
  '{"Width":80,"Height":0}',
  '{"Width":-80,"Height":24}',
  '{"Width":80,"Height":65536}',
  '{"Width":80.5,"Height":24}',
  '{"Width":1e9,"Height":24}',
  '{"Width":80}',
  '{"Height":24}',
  "{}",
]) {
  test(`${event} is no size that a terminal can have; the next one counts`, () => {
    assert.deepEqual(decoded(`${event}{"Width":1,"Height":2}`), ["1x2"]);
  });
}

for (const { title, bad } of [
  { title: "no JSON", bad: "resize me}" },
  { title: "a key that is no text", bad: '{Width:80,"Height":24}' },
  { title: "a list", bad: '[{"Width":80,"Height":24}' },
  { title: "a number in front", bad: '80{"Width":80,"Height":24}' },
  { title: "a size as text", bad: '{"Width":"80","Height":24}' },
  { title: "a size that is a list", bad: '{"Width":80,"Height":[24]}' },
  { title: "two opening braces", bad: '{{"Width":80,"Height":24}' },
]) {
  for (const pieces of [[bad, '{"Width":1,"Height":2}'], [`${bad}{"Width":1,"Height":2}`]]) {
    test(`${title} ends the resizing, in ${pieces.length === 1 ? "the same piece" : "the next"}`, () => {
      assert.deepEqual(decoded('{"Width":3,"Height":4}', ...pieces), ["3x4"]);
    });
  }
}

test("what never becomes an event ends the resizing, and is not kept", () => {
  const endless = `{"Width":80,${" ".repeat(2000)}`;
  assert.deepEqual(decoded(endless, '"Height":24}', '{"Width":1,"Height":2}'), []);
});

/** A terminal whose every resize waits for the test. */
function slowTerminal() {
  const asked: string[] = [];
  const answers: ReturnType<typeof deferred>[] = [];
  const resizer = new Resizer((size) => {
    asked.push(toText(size));
    const answer = deferred();
    answers.push(answer);
    return answer.promise;
  });
  return { resizer, asked, answers };
}
const size = (width: number): TerminalSize => ({ width, height: 1 });

test("of the sizes before the start only the latest is set, and not before it", async () => {
  const { resizer, asked } = slowTerminal();
  for (const width of [1, 2, 3]) resizer.set(size(width));
  await turns();
  assert.deepEqual(asked, []);
  resizer.start();
  assert.deepEqual(asked, ["3x1"]);
});

test("without a size nothing is set at the start; the first one is set when it comes", async () => {
  const { resizer, asked } = slowTerminal();
  resizer.start();
  await turns();
  assert.deepEqual(asked, []);
  resizer.set(size(1));
  assert.deepEqual(asked, ["1x1"]);
});

test("after the start sizes are set one at a time, all and in order", async () => {
  const { resizer, asked, answers } = slowTerminal();
  resizer.start();
  for (const width of [1, 2, 3]) resizer.set(size(width));
  await turns();
  assert.deepEqual(asked, ["1x1"]);
  answers[0]?.resolve();
  await turns();
  assert.deepEqual(asked, ["1x1", "2x1"]);
  answers[1]?.resolve();
  await turns();
  assert.deepEqual(asked, ["1x1", "2x1", "3x1"]);
  answers[2]?.resolve();
  await turns();
  resizer.set(size(4));
  assert.deepEqual(asked.at(-1), "4x1");
});

test("a size that cannot be set does not stop the next ones", async () => {
  const { resizer, asked, answers } = slowTerminal();
  resizer.start();
  resizer.set(size(1));
  resizer.set(size(2));
  answers[0]?.reject(new Error("no such exec"));
  await turns();
  assert.deepEqual(asked, ["1x1", "2x1"]);
});

test("of very many sizes that wait the oldest are left out, never the newest", async () => {
  const { resizer, asked, answers } = slowTerminal();
  resizer.start();
  for (let width = 1; width <= 100; width++) resizer.set(size(width));
  for (let turn = 0; turn < 10; turn++) {
    answers.at(-1)?.resolve();
    await turns();
  }
  assert.deepEqual(asked, ["1x1", "97x1", "98x1", "99x1", "100x1"]);
});
