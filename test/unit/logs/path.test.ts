import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLogDirectory, toLogPath } from "../../../src/logs/path.js";
import { refuses } from "../../support/assertions.js";

const directory = "/var/log/pods/web";

for (const [title, where, path, expected] of [
  ["lies in the pod's directory", directory, "app/0.log", "/var/log/pods/web/app/0.log"],
  ["lies there also when the directory ends in a slash", `${directory}/`, "0.log", "/var/log/pods/web/0.log"],
  ["is written without detours", directory, "./app//0.log", "/var/log/pods/web/app/0.log"],
  ["may take a detour that stays inside", directory, "app/../0.log", "/var/log/pods/web/0.log"],
  ["may have dots in its name", directory, "..0.log", "/var/log/pods/web/..0.log"],
  ["can lie in the root", "/", "0.log", "/0.log"],
  ["is none without a name", directory, "", ""],
  ["is none without a directory", "", "app/0.log", ""],
] as const) {
  test(`a container's log ${title}`, () => assert.equal(toLogPath(where, path), expected));
}

for (const path of ["../other/0.log", "app/../../x", "..", ".", "app/..", "/etc/passwd", "../web"]) {
  test(`the log path ${path} is refused, since it leads out of the pod's directory`, () => {
    refuses(() => toLogPath(directory, path), "invalid", `config.log_path "${path}" leads out of`);
  });
}

test("a path beside the directory, whose name only begins alike, is outside", () => {
  refuses(() => toLogPath(directory, "../web2/0.log"), "invalid", "config.log_path");
});

test("a log directory is absolute, or none", () => {
  assert.equal(parseLogDirectory(directory, "config.log_directory"), directory);
  assert.equal(parseLogDirectory("", "config.log_directory"), "");
  for (const relative of ["logs", "./logs", "../logs", " /logs"]) {
    refuses(() => parseLogDirectory(relative, "config.log_directory"), "invalid", "config.log_directory ");
  }
});
