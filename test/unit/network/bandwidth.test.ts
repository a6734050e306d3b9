import assert from "node:assert/strict";
import { test } from "node:test";
import { burstOf, parseBandwidth } from "../../../src/network/bandwidth.js";
import { refuses } from "../../support/assertions.js";

const ingress = "kubernetes.io/ingress-bandwidth";
const egress = "kubernetes.io/egress-bandwidth";

const quantities: [text: string, bits: number][] = [
  ["10M", 10_000_000],
  ["1500k", 1_500_000],
  ["1Gi", 2 ** 30],
  ["1.5Mi", 1_572_864],
  ["0.5G", 500_000_000],
  [".5M", 500_000],
  ["5.M", 5_000_000],
  ["+2M", 2_000_000],
  ["1e6", 1_000_000],
  ["1E6", 1_000_000],
  ["1.25e+6", 1_250_000],
  ["1000000000e-3", 1_000_000],
  ["64000", 64_000],
  ["1000500m", 1001],
  ["1000000001u", 1001],
  ["2000000000001n", 2001],
  ["1.0001Ki", 1025],
  ["0.001P", 1_000_000_000_000],
  ["0.0001E", 100_000_000_000_000],
];
for (const [text, bits] of quantities) {
  test(`${text} is ${bits} bits per second`, () => {
    assert.deepEqual(parseBandwidth({ [ingress]: text }), { ingress: bits });
    assert.deepEqual(parseBandwidth({ [egress]: text }), { egress: bits });
  });
}

test("the limits themselves are within them", () => {
  assert.deepEqual(parseBandwidth({ [ingress]: "1k", [egress]: "1P" }), { ingress: 1000, egress: 1e15 });
});

test("a pod without annotations of ours has no limit", () => {
  assert.deepEqual(parseBandwidth({ "kubernetes.io/other": "1M" }), {});
});

const refused: [text: string, why: string][] = [
  ["999", "unreasonably small (less than 1k)"],
  ["0", "unreasonably small (less than 1k)"],
  ["1m", "unreasonably small (less than 1k)"],
  ["-10M", "unreasonably small (less than 1k)"],
  ["1e-999999999", "unreasonably small (less than 1k)"],
  ["1000000000000001", "unreasonably large (more than 1P)"],
  ["1Pi", "unreasonably large (more than 1P)"],
  ["1E", "unreasonably large (more than 1P)"],
  ["1e999999999", "unreasonably large (more than 1P)"],
  ...[
    "",
    "fast",
    "10 M",
    "10Mbit",
    "10MB",
    "10K",
    "1.2.3M",
    ".",
    "M",
    "1e",
    "1e6k",
    "0x10",
    "1_000",
    "∞",
    "NaN",
  ].map((text): [string, string] => [text, "not a quantity of bits per second, as 10M"]),
  ["9".repeat(100_000), "not a quantity of bits per second, as 10M"],
];
for (const [text, why] of refused) {
  test(`${JSON.stringify(text.slice(0, 20))} is refused by its annotation's name`, () => {
    for (const annotation of [ingress, egress]) {
      const message = `annotation ${annotation}: ${JSON.stringify(text.slice(0, 64))} is ${why}`;
      refuses(() => parseBandwidth({ [annotation]: text }), "invalid", message);
    }
  });
}

const bursts: [rate: number, bits: number, title: string][] = [
  [1000, 2 ** 20, "a mebibit, however slow the pod is"],
  [10_485_760, 2 ** 20, "a mebibit up to 10 Mibit/s"],
  [100_000_000, 10_000_000, "a tenth of a second's"],
  [1_000_000_001, 100_000_001, "whole bits"],
  [1e15, 2 ** 34, "no more than tc can count"],
];
for (const [rate, bits, title] of bursts) {
  test(`the burst at ${rate} bits per second is ${title}`, () => assert.equal(burstOf(rate), bits));
}
