import assert from "node:assert/strict";
import { test } from "node:test";
import { toNanos } from "../../../src/docker/time.js";

for (const [time, nanos, why] of [
  ["2024-05-01T10:00:00.123456789Z", 1714557600123456789n, "every digit of a nanosecond is kept"],
  ["2024-05-01T10:00:00Z", 1714557600000000000n, "a time without a fraction is a whole second"],
  ["2024-05-01T10:00:00.5Z", 1714557600500000000n, "Go leaves out trailing zeros"],
  ["2024-05-01T10:00:00.000000001Z", 1714557600000000001n, "leading zeros count"],
  ["2024-05-01T12:00:00.123456789+02:00", 1714557600123456789n, "the daemon's zone does not matter"],
  ["2024-05-01T04:30:00.1-05:30", 1714557600100000000n, "nor does one west of Greenwich"],
  ["1970-01-01T00:00:00.000000001Z", 1n, "the epoch is zero"],
  ["0001-01-01T00:00:00Z", 0n, "Docker's zero time is never"],
  ["", 0n, "no time is never"],
] as const) {
  test(`${why}: ${JSON.stringify(time)}`, () => assert.equal(toNanos(time), nanos));
}
