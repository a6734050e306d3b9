import assert from "node:assert/strict";
import { test } from "node:test";
import { fromDocker, statusOf } from "../../../src/docker/errors.js";
import { CriError, type ErrorKind } from "../../../src/errors.js";

/** An error as docker-modem throws it. */
const answered = (statusCode: number, message: string, json?: unknown): Error =>
  Object.assign(new Error(`(HTTP code ${statusCode}) some reason - ${message} `), { statusCode, json });
const socketError = (code: string): Error => Object.assign(new Error(`connect ${code} /x.sock`), { code });

const statuses: [number, ErrorKind, string][] = [
  [400, "invalid", "a request that the daemon refuses"],
  [401, "denied", "missing credentials"],
  [403, "denied", "forbidden"],
  [404, "notFound", "something that does not exist"],
  [409, "failedPrecondition", "a conflict"],
  [500, "internal", "a failure inside the daemon"],
  [501, "unimplemented", "something this daemon cannot do"],
  [503, "unavailable", "a daemon that is not ready"],
  [418, "internal", "a status that nobody expects"],
];

for (const [status, kind, title] of statuses) {
  test(`${title} (${status}) is reported as ${kind}, in the daemon's own words`, () => {
    const cause = answered(status, "wrapped", { message: "No such container: abc" });
    const error = fromDocker("inspect container abc", cause);
    assert.equal(error.kind, kind);
    assert.equal(error.message, "inspect container abc: No such container: abc");
    assert.equal(error.cause, cause);
    assert.equal(statusOf(error), status);
  });
}

test("the daemon's words are found in docker-modem's sentence when the body was not JSON", () => {
  const error = fromDocker("start container abc", answered(404, "no such container - No such: abc"));
  assert.equal(error.message, "start container abc: no such container - No such: abc");
});

for (const code of ["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE", "ECONNABORTED", "ETIMEDOUT", "EACCES"]) {
  test(`${code} on the socket means that Docker is unavailable`, () => {
    const error = fromDocker("list containers", socketError(code));
    assert.equal(error.kind, "unavailable");
    assert.equal(error.message, `cannot reach the Docker Engine: connect ${code} /x.sock`);
    assert.equal(statusOf(error), undefined);
  });
}

for (const [title, thrown, message] of [
  ["an error of ours", new Error("oops"), "list images: oops"],
  ["another code", socketError("ELOOP"), "list images: connect ELOOP /x.sock"],
  ["a text", "just text", "list images: just text"],
  ["undefined", undefined, "list images: undefined"],
  ["null", null, "list images: null"],
] as const) {
  test(`${title} that was thrown is internal and keeps its words`, () => {
    const error = fromDocker("list images", thrown);
    assert.equal(error.kind, "internal");
    assert.equal(error.message, message);
    assert.equal(error.cause, thrown);
  });
}

test("an error that is already ours passes through as it is", () => {
  const own = new CriError("exhausted", "too many");
  assert.equal(fromDocker("anything", own), own);
});

/** What is thrown when a signal ends a call is an AbortError that says nothing. */
const aborted = new DOMException("This operation was aborted", "AbortError");

test("a call that the client left is cancelled", () => {
  const error = fromDocker("pull image x", aborted, AbortSignal.abort());
  assert.equal(error.kind, "cancelled");
  assert.ok(error.message.includes("pull image x"), error.message);
});

test("a call that took longer than its limit is a deadline", () => {
  const signal = AbortSignal.abort(new DOMException("timeout", "TimeoutError"));
  const error = fromDocker("inspect container abc", aborted, signal);
  assert.equal(error.kind, "deadline");
  assert.ok(error.message.includes("inspect container abc"), error.message);
});

test("a call that was ended for a reason of ours fails for that reason", () => {
  const reason = new CriError("deadline", "no progress");
  assert.equal(fromDocker("pull image x", aborted, AbortSignal.abort(reason)), reason);
});

test("a signal that has not fired does not change what an error means", () => {
  const error = fromDocker("x", answered(404, "gone"), new AbortController().signal);
  assert.equal(error.kind, "notFound");
});

for (const value of [undefined, null, 404, "404", {}, { statusCode: "404" }, new CriError("notFound", "x")]) {
  test(`${String(JSON.stringify(value))} carries no HTTP status`, () =>
    assert.equal(statusOf(value), undefined));
}
