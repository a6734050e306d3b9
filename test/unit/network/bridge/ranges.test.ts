import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalCidr, contains } from "../../../../src/network/bridge/ranges.js";

const forms: [cidr: string, want: string][] = [
  ["10.1.0.0/24", "10.1.0.0/24"],
  ["10.1.2.3/24", "10.1.2.0/24"],
  ["10.255.255.255/13", "10.248.0.0/13"],
  ["10.1.2.3/32", "10.1.2.3/32"],
  ["10.1.2.3/0", "0.0.0.0/0"],
  ["fd00::/64", "fd00::/64"],
  ["FD00:0:0:0::/64", "fd00::/64"],
  ["fd00:1:2:3:4:5:6:7/64", "fd00:1:2:3::/64"],
  ["fd00:ffff:ffff::/33", "fd00:ffff:8000::/33"],
  ["2001:db8::10.1.2.3/112", "2001:db8::a01:0/112"],
  ["::1/128", "::1/128"],
  ["::/0", "::/0"],
  ["1:0:0:2::/64", "1:0:0:2::/64"],
];
for (const [cidr, want] of forms) {
  test(`the range ${cidr} is ${want}`, () => {
    assert.equal(canonicalCidr(cidr), want);
    assert.equal(canonicalCidr(want), want);
  });
}

const members: [cidr: string, address: string, want: boolean][] = [
  ["10.1.0.0/24", "10.1.0.255", true],
  ["10.1.0.0/24", "10.1.1.0", false],
  ["fd00::/64", "fd00::ffff", true],
  ["fd00::/64", "fd00:0:0:1::", false],
  ["10.1.0.0/24", "fd00::1", false],
  ["fd00::/64", "10.1.0.1", false],
  ["::/0", "10.1.0.1", false],
];
for (const [cidr, address, want] of members) {
  test(`${address} is ${want ? "" : "not "}in ${cidr}`, () => assert.equal(contains(cidr, address), want));
}
