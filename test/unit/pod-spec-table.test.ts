/** proto/pod-spec.md says of every field of a pod spec where it goes, and names a test that knows the field. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readTables } from "../support/table-client.js";

const roots = [
  ...["PodSandboxConfig", "ContainerConfig"],
  ...["UpdateContainerResourcesRequest", "UpdatePodSandboxResourcesRequest"],
];
const project = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

interface Row {
  message: string;
  field: string;
  goes: string;
  path: string;
}

/** The fields of the roots and of every message in them, as the interface has them. */
function fieldsOfInterface(): string[] {
  const fields = readTables("v1").filter(({ kind }) => kind === "field");
  const messages = [...roots];
  for (const message of messages) {
    for (const { owner, type } of fields) {
      const inner = type.replace(/^repeated /, "");
      // Windows' own are refused whole.
      if (owner !== message || inner.startsWith("Windows") || messages.includes(inner)) continue;
      if (fields.some((field) => field.owner === inner)) messages.push(inner);
    }
  }
  return fields.filter(({ owner }) => messages.includes(owner)).map(({ owner, name }) => `${owner}.${name}`);
}

function rowsOfTable(): Row[] {
  let message = "";
  return project("proto/pod-spec.md")
    .split("\n")
    .flatMap((line) => {
      message = /^## (\w+)$/.exec(line)?.[1] ?? message;
      const [, field, goes, path] = /^\| `(\w+)` +\| (.+?) +\| `(test\/[\w/.-]+)` +\|$/.exec(line) ?? [];
      return field !== undefined && goes !== undefined && path !== undefined
        ? [{ message, field, goes, path }]
        : [];
    });
}

test("every field that a client can set has one row, and no row is without a field", () => {
  const listed = rowsOfTable().map(({ message, field }) => `${message}.${field}`);
  assert.deepEqual(listed.toSorted(), fieldsOfInterface().toSorted());
});

test("every row names a test that names its field", () => {
  const strangers = rowsOfTable().filter(({ field, path }) => {
    const camel = field
      .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      .replace(/^CDIDevices$/, "CDIDevices");
    return !new RegExp(`\\b(${field}|${camel})\\b`).test(project(path));
  });
  assert.deepEqual(
    strangers.map(({ message, field, path }) => `${message}.${field} in ${path}`),
    [],
  );
});
