import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePodCidrs } from "../../../src/network/pod-cidr.js";
import { refuses } from "../../support/assertions.js";

const good: [text: string, want: string[]][] = [
  ["", []],
  [" ", []],
  [",", []],
  ["10.1.0.0/24", ["10.1.0.0/24"]],
  ["fd00::/64", ["fd00::/64"]],
  ["10.1.0.0/24,fd00::/64", ["10.1.0.0/24", "fd00::/64"]],
  ["fd00::/64,10.1.0.0/24", ["fd00::/64", "10.1.0.0/24"]],
  [" 10.1.0.0/24 , fd00::/64 ,", ["10.1.0.0/24", "fd00::/64"]],
  ["0.0.0.0/0", ["0.0.0.0/0"]],
  ["10.1.0.1/32", ["10.1.0.1/32"]],
  ["::/0", ["::/0"]],
  ["fd00::1/128", ["fd00::1/128"]],
  ["::ffff:10.1.0.0/120", ["::ffff:10.1.0.0/120"]],
];
for (const [text, want] of good) {
  test(`${JSON.stringify(text)} is ${want.length === 0 ? "no range" : want.join(" and ")}`, () =>
    assert.deepEqual(parsePodCidrs(text, "pod_cidr"), want));
}

const bad = [
  ...["10.1.0.0", "10.1.0.0/", "/24", "10.1.0.0/33", "10.1.0.0/-1", "10.1.0.0/2a", "10.1.0.0/24/1"],
  ...["10.1.0/24", "10.1.0.256/24", "10.1.0.0/ 24", "10.1.0.0/255.255.255.0", "10.1.0.0-10.1.0.9"],
  ...["fd00::/129", "fd00::", "fd00:::/64", "[fd00::]/64", "host/24", "*"],
];
for (const text of bad) {
  test(`${JSON.stringify(text)} is refused, alone and beside a range`, () => {
    const message = `pod_cidr ${JSON.stringify(text)} is not an address range`;
    refuses(() => parsePodCidrs(text, "pod_cidr"), "invalid", message);
    refuses(() => parsePodCidrs(`${text},10.2.0.0/24`, "pod_cidr"), "invalid", message);
  });
}

for (const text of ["10.1.0.0/24,10.2.0.0/24", "fd00::/64,fd01::/64", "10.1.0.0/24,fd00::/64,10.1.0.0/24"]) {
  test(`${text} has too many ranges of a family`, () => {
    refuses(
      () => parsePodCidrs(text, "pod_cidr"),
      "invalid",
      `pod_cidr "${text}" has more than one range of the same family`,
    );
  });
}
