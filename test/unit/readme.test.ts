import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { flags } from "../../src/flags.js";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const source = (name: string): string => readFileSync(new URL(`../../src/${name}`, import.meta.url), "utf8");

test("README's flag table has every flag, with its default and its meaning", () => {
  const rows = [...readme.matchAll(/^\| `--([a-z-]+)` +\| (?:`([^`]*)`)? +\| (.*?) +\|$/gm)].map(
    ([, name, fallback = "", help]) => ({ name, fallback, help }),
  );
  const wanted = flags.map(({ name, fallback, help, aliases = [] }) => ({
    name,
    fallback,
    help: aliases.length > 0 ? `${help} (also ${aliases.map((alias) => `\`--${alias}\``).join(", ")})` : help,
  }));
  assert.deepEqual(rows, wanted);
});

test("README's list of RPCs that are not there yet is the services' own", () => {
  const section = /These RPCs answer UNIMPLEMENTED:([\s\S]*?)\n\n/.exec(readme)?.[1] ?? "";
  const listed = [...section.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort();
  const declared = ["cri/runtime-service.ts", "cri/image-service.ts"].flatMap((file) => {
    const union = /export type Later\w+ =([\s\S]*?);/.exec(source(file))?.[1] ?? "";
    return [...union.matchAll(/"(\w+)"/g)].map(([, name]) => name);
  });
  assert.ok(declared.length > 0);
  assert.deepEqual(listed, declared.sort());
});

test("README names no file that does not exist", () => {
  const named = [...readme.matchAll(/`((?:src|scripts|test|proto)\/[\w./-]+)`/g)].map(
    ([, path]) => path ?? "",
  );
  assert.ok(named.length > 5);
  for (const path of named) assert.ok(existsSync(new URL(`../../${path}`, import.meta.url)), path);
});
