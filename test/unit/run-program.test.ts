import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../../src/run-program.js";
import { CriError, type ErrorKind } from "../../src/errors.js";

const fails = (run: Promise<unknown>, kind: ErrorKind, message: string) =>
  assert.rejects(run, (error) => {
    assert.ok(error instanceof CriError);
    assert.deepEqual([error.kind, error.message], [kind, message]);
    return true;
  });

test("a program's standard output is told", async () => {
  assert.equal(await runProgram("echo", ["$HOME", "*"]), "$HOME *\n");
});

test("a program that fails is quoted, with what it was asked", async () => {
  const script = "echo out; echo 'Cannot find device' >&2; exit 3";
  await fails(runProgram("sh", ["-c", script]), "internal", `sh -c ${script}: Cannot find device`);
});

test("a program that fails without a word is named", async () => {
  await fails(runProgram("false", ["1"]), "internal", "false 1: Command failed: false 1");
});

test("iproute2 is named where it is missing", async () => {
  const { PATH } = process.env;
  process.env["PATH"] = "/nonexistent";
  try {
    await fails(runProgram("tc", []), "failedPrecondition", "tc (of iproute2) is not installed");
    await fails(runProgram("ip", []), "failedPrecondition", "ip (of iproute2) is not installed");
  } finally {
    process.env["PATH"] = PATH;
  }
});
