import assert from "node:assert/strict";
import { CriError, type ErrorKind } from "../../src/errors.js";

/** Runs `action`, which must throw a CriError of that kind whose message begins with `start`. */
export function refuses(action: () => unknown, kind: ErrorKind, start: string): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof CriError, `not a CriError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    assert.equal(error.message.slice(0, start.length), start);
    return true;
  });
}
