import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOptions, mergeOptions } from "../../../src/mounts/options.js";
import { refuses } from "../../support/assertions.js";

const field = "config.mounts[0].mount_options";

test("the options that a bind mount can have for itself are taken, twice as well", () => {
  for (const options of [
    [],
    ["noexec", "nosuid", "nodev", "noexec"],
    ["exec", "suid", "dev", "symfollow", "strictatime", "diratime"],
    ["nosymfollow", "relatime", "nodiratime"],
  ]) {
    checkOptions(options, field);
  }
});

for (const [title, options, message] of [
  ["an unknown option", ["noexec", "size=1m"], '"size=1m" is unknown'],
  ["an option with a comma", ["noexec,dev"], '"noexec,dev" is unknown'],
  ["an option in capitals", ["NOEXEC"], '"NOEXEC" is unknown'],
  ["nothing", [""], '"" is unknown'],
  ["an option and its opposite", ["nodev", "noexec", "dev"], "nodev and dev contradict"],
  ["two ways to count accesses", ["noatime", "relatime"], "noatime and relatime contradict"],
  ["read-only", ["ro"], '"ro" belongs to the field readonly'],
  ["writable", ["rw"], '"rw" belongs to the field readonly'],
  ["recursive read-only", ["rro"], '"rro" belongs to the field recursive_read_only'],
  ["a propagation", ["rslave"], '"rslave" belongs to the field propagation'],
  ["its kind", ["rbind"], '"rbind" belongs to the field host_path'],
] as const) {
  test(`as mount options, ${title} is refused`, () =>
    refuses(() => checkOptions(options, field), "invalid", `${field}: ${message}`));
}

for (const [title, present, wanted, readonly, expected] of [
  [
    "a plain mount stays one",
    ["rw", "relatime"],
    [],
    false,
    ["rw", "suid", "dev", "exec", "symfollow", "relatime", "diratime"],
  ],
  [
    "what a mount has is kept, what is asked is added",
    ["rw", "nosuid", "noatime"],
    ["noexec"],
    false,
    ["rw", "nosuid", "dev", "noexec", "symfollow", "noatime", "diratime"],
  ],
  [
    "what is asked wins",
    ["rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"],
    ["suid", "exec", "relatime", "symfollow"],
    false,
    ["rw", "suid", "nodev", "exec", "symfollow", "relatime", "nodiratime"],
  ],
  [
    "a mount without a word for it notes every access, and goes on to",
    ["rw"],
    ["nodiratime"],
    false,
    ["rw", "suid", "dev", "exec", "symfollow", "strictatime", "nodiratime"],
  ],
  [
    "read-only is added",
    ["rw", "relatime"],
    [],
    true,
    ["ro", "suid", "dev", "exec", "symfollow", "relatime", "diratime"],
  ],
  [
    "a read-only source stays read-only",
    ["ro", "relatime"],
    [],
    false,
    ["ro", "suid", "dev", "exec", "symfollow", "relatime", "diratime"],
  ],
] as const) {
  test(title, () => assert.deepEqual(mergeOptions(present, wanted, readonly), expected));
}
