import assert from "node:assert/strict";
import { test } from "node:test";
import { formatField, makeLog } from "../../src/log.js";

for (const [value, expected] of [
  ["running", "field=running"],
  ["/var/run/x.sock", "field=/var/run/x.sock"],
  ["registry.k8s.io/pause:3.10@sha256:ab", "field=registry.k8s.io/pause:3.10@sha256:ab"],
  ["", 'field=""'],
  ["two words", 'field="two words"'],
  ["a=b", 'field="a=b"'],
  ['say "hi"', 'field="say \\"hi\\""'],
  ["line\nline", 'field="line\\nline"'],
  ["\u001b[31mred", 'field="\\u001b[31mred"'],
  [42, "field=42"],
  [-0.5, "field=-0.5"],
  [9007199254740993n, "field=9007199254740993"],
  [true, "field=true"],
  [null, "field=null"],
  [undefined, "field=undefined"],
  [["a", 1], 'field=["a",1]'],
  [{ id: "a", n: 1 }, 'field={"id":"a","n":1}'],
  [{ nanos: 9007199254740993n }, 'field={"nanos":"9007199254740993"}'],
  [new Error("it\nbroke"), 'field="it\\nbroke"'],
] as [unknown, string][]) {
  test(`a field is logged as ${expected}`, () => assert.equal(formatField("field", value), expected));
}

const secretKeys = [
  "auth",
  "password",
  "identityToken",
  "registryToken",
  "identitytoken",
  "token",
  "env",
  "envs",
  "Env",
  "authConfig",
  "registryAuth",
];
for (const key of secretKeys) {
  test(`the value of ${key} is never logged, whatever it is`, () => {
    for (const value of ["s3cret", { a: "s3cret" }, ["s3cret"], new Error("s3cret"), 7n]) {
      assert.equal(formatField(key, value), `${key}=<redacted>`);
    }
  });
  test(`the value of ${key} is never logged, however deep it is buried`, () => {
    for (const value of ["s3cret", { a: "s3cret" }, ["s3cret"]]) {
      const text = formatField("request", { image: "x", config: [{ [key]: value, name: "app" }] });
      assert.ok(!text.includes("s3cret"), text);
      assert.ok(text.includes("app") && text.includes("<redacted>"), text);
    }
  });
}

for (const key of ["environment", "author", "tokens", "authority"]) {
  test(`${key} is not a secret`, () => assert.equal(formatField(key, "seen"), `${key}=seen`));
}

test("fields that are dear to get are not got for a line that is not written", () => {
  const log = makeLog("error");
  const got: string[] = [];
  log.debug("quiet", () => ({ got: got.push("debug") }));
  log.child({ part: "rpc" }).info("quiet", () => ({ got: got.push("info") }));
  assert.equal(got.length, 0);
  log.error("a line of the test for fields that are dear to get", () => ({ got: got.push("error") }));
  assert.deepEqual(got, ["error"]);
});
