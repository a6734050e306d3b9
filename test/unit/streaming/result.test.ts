/** The vectors are what upstream's servers send, byte for byte, so that clients need not be lenient. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandResult } from "../../../src/streaming/command.js";
import { toStatusForms } from "../../../src/streaming/result.js";

const executing = "executing command in container";

const exitJson = (code: number): string =>
  `{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status ${code}",` +
  `"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"${code}"}]}}`;
const exitText = (code: number): string => `command terminated with non-zero exit code: exit status ${code}`;

test("a command that went well is a success to new clients and nothing to old ones", () => {
  assert.deepEqual(toStatusForms({ kind: "exited", code: 0 }, executing), {
    json: '{"metadata":{},"status":"Success"}',
    text: undefined,
  });
});

test("exit code 3 is told in upstream's very bytes", () => {
  const { json, text } = toStatusForms({ kind: "exited", code: 3 }, executing);
  assert.equal(json, exitJson(3));
  assert.equal(Buffer.byteLength(json), 190);
  assert.equal(text, exitText(3));
});

test("all exit codes that a process can have are told as they are", () => {
  for (let code = 1; code <= 255; code++) {
    assert.deepEqual(toStatusForms({ kind: "exited", code }, executing), {
      json: exitJson(code),
      text: exitText(code),
    });
  }
});

// client-go reads 8 bits, without a sign, and calls anything else a broken protocol.
for (const code of [-1, -256, 256, 257, 512, 3221225786, 2 ** 32, Number.MAX_SAFE_INTEGER, NaN, Infinity]) {
  test(`exit code ${code} is told as 255, and never as success`, () => {
    assert.deepEqual(toStatusForms({ kind: "exited", code }, executing), {
      json: exitJson(255),
      text: exitText(255),
    });
  });
}

for (const doing of [executing, "attaching to container"]) {
  test(`a failure of ${doing} says what was done and why it failed`, () => {
    const message = 'no such "file"';
    const { json, text } = toStatusForms({ kind: "failed", message }, doing);
    assert.equal(text, `Internal error occurred: error ${doing}: no such "file"`);
    assert.equal(
      json,
      `{"metadata":{},"status":"Failure",` +
        `"message":"Internal error occurred: error ${doing}: no such \\"file\\"","reason":"InternalError",` +
        `"details":{"causes":[{"message":"error ${doing}: no such \\"file\\""}]},"code":500}`,
    );
  });
}

test("a status is one line without an end of line, whatever the failure says", () => {
  const message = "first\r\nsecond\u2028third\u0000";
  const { json } = toStatusForms({ kind: "failed", message }, executing);
  assert.doesNotMatch(json, /[\r\n\0]/);
  const read = JSON.parse(json) as { message: string };
  assert.equal(read.message, `Internal error occurred: error ${executing}: ${message}`);
});

test("only exit code 0 leaves the old clients' error stream empty, which is their success", () => {
  const failures: CommandResult[] = [
    { kind: "failed", message: "" },
    { kind: "exited", code: 1 },
    { kind: "exited", code: 256 },
  ];
  for (const failure of failures) assert.ok(toStatusForms(failure, executing).text);
});
