import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinuxContainerSecurityContext } from "../../../src/generated/runtime/v1/LinuxContainerSecurityContext.js";
import {
  asksForNothing,
  needsAccounts,
  noAccounts,
  parseGroup,
  parseIdentity,
  parsePasswd,
  resolveIdentity,
  type Identity,
} from "../../../src/linux/identity.js";
import { refuses } from "../../support/assertions.js";
import { containerConfig } from "../../support/builders.js";

const field = "security";
const asked = (securityContext: LinuxContainerSecurityContext) =>
  parseIdentity(containerConfig({ linux: { securityContext } }).linux?.securityContext ?? null, field);
const id = (value: number | string) => ({ value: String(value) });

const files = {
  passwd: [
    "root:x:0:0:root:/root:/bin/sh",
    "# a comment",
    "",
    "web:x:33:44:web:/srv:/bin/false",
    "alias:x:33:45::/:/bin/sh",
    "+::::::",
    "broken:x:many:1::/:/bin/sh",
    "short:x:77",
    "1000:x:5:5::/:/bin/sh",
  ].join("\n"),
  group: [
    "root:x:0:",
    "wheel:x:10:root,web",
    "web:x:44:web",
    "media:x:50000:alias,web",
    "aliases:x:51:alias",
    "digits:x:52:1000",
    "broken:x:none:web",
    "empty::53:",
  ].join("\n"),
};

type Case = [title: string, imageUser: string, LinuxContainerSecurityContext, Identity];
const cases: Case[] = [
  ["nothing asked and nothing said is root with root's groups", "", {}, { uid: 0, gid: 0, groups: [10] }],
  [
    "a number is that user, with its primary and its other groups",
    "",
    { runAsUser: id(33) },
    { uid: 33, gid: 44, groups: [10, 50000] },
  ],
  ["a name is the same", "", { runAsUsername: "web" }, { uid: 33, gid: 44, groups: [10, 50000] }],
  [
    "the second name of a number has its own groups",
    "",
    { runAsUsername: "alias" },
    { uid: 33, gid: 45, groups: [50000, 51] },
  ],
  ["zero is root, and not nothing", "web", { runAsUser: id(0) }, { uid: 0, gid: 0, groups: [10] }],
  [
    "a number that the image does not know is in group 0 and no other",
    "",
    { runAsUser: id(4711) },
    { uid: 4711, gid: 0, groups: [] },
  ],
  [
    "a number is no name, also where a user is called so",
    "",
    { runAsUser: id(1000) },
    { uid: 1000, gid: 0, groups: [] },
  ],
  [
    "a group that is given takes the primary one's place, and memberships stay",
    "",
    { runAsUser: id(33), runAsGroup: id(7) },
    { uid: 33, gid: 7, groups: [10, 44, 50000] },
  ],
  [
    "groups that are asked for come in addition",
    "",
    { runAsUser: id(33), supplementalGroups: [1234, 10] },
    { uid: 33, gid: 44, groups: [10, 50000, 1234] },
  ],
  [
    "the primary group is not named twice",
    "",
    { runAsUser: id(33), supplementalGroups: [44] },
    { uid: 33, gid: 44, groups: [10, 50000] },
  ],
  [
    "with Strict the groups that are asked for are all",
    "",
    { runAsUser: id(33), supplementalGroups: [1234], supplementalGroupsPolicy: "Strict" },
    { uid: 33, gid: 44, groups: [1234] },
  ],
  [
    "with Strict and no groups there are none",
    "web",
    { supplementalGroupsPolicy: "Strict" },
    { uid: 33, gid: 44, groups: [] },
  ],
  ["the image's user is a name", "web", {}, { uid: 33, gid: 44, groups: [10, 50000] }],
  ["the image's user is a number", "33", {}, { uid: 33, gid: 44, groups: [10, 50000] }],
  ["the image's user has a group's number", "33:7", {}, { uid: 33, gid: 7, groups: [10, 44, 50000] }],
  ["the image's user has a group's name", "web:media", {}, { uid: 33, gid: 50000, groups: [10, 44] }],
  ["the image says a group alone, for root", ":media", {}, { uid: 0, gid: 50000, groups: [10] }],
  ["the image's group is empty", "web:", {}, { uid: 33, gid: 44, groups: [10, 50000] }],
  [
    "the image's group does not count for another user",
    "web:media",
    { runAsUser: id(4711) },
    { uid: 4711, gid: 0, groups: [] },
  ],
];
for (const [title, user, context, expected] of cases) {
  test(`a container's process: ${title}`, () => {
    assert.deepEqual(resolveIdentity(asked(context), { name: "shop:1", user }, files), expected);
  });
}

test("an image without files has root, and whatever number is asked for", () => {
  const image = { name: "scratch", user: "" };
  assert.deepEqual(resolveIdentity(asked({}), image, noAccounts), { uid: 0, gid: 0, groups: [] });
  assert.deepEqual(resolveIdentity(asked({ runAsUser: id(5) }), image, noAccounts), {
    uid: 5,
    gid: 0,
    groups: [],
  });
});

for (const [title, user, context, kind, start] of [
  [
    "a name that the client gave",
    "",
    { runAsUsername: "bob" },
    "invalid",
    'run_as_username "bob": no matching',
  ],
  [
    "a name with a colon",
    "",
    { runAsUsername: "web:root" },
    "invalid",
    'run_as_username "web:root": no matching',
  ],
  [
    "the image's user",
    "bob",
    {},
    "failedPrecondition",
    'image shop:1 runs as user "bob": no matching entries in',
  ],
  ["a user without a number", "broken", {}, "failedPrecondition", 'image shop:1 runs as user "broken": no'],
  ["a user of half a line", "short", {}, "failedPrecondition", 'image shop:1 runs as user "short": no'],
  [
    "the image's group",
    "web:staff",
    {},
    "failedPrecondition",
    'image shop:1 runs as group "staff": no matching',
  ],
  ["a number below zero", "-1", {}, "failedPrecondition", 'image shop:1 runs as user "-1": no matching'],
  ["a user beyond all", "2147483648", {}, "failedPrecondition", "image shop:1: user 2147483648 is more than"],
  ["a group beyond all", "1:9999999999", {}, "failedPrecondition", "image shop:1: group 9999999999 is more"],
] as [string, string, LinuxContainerSecurityContext, "invalid" | "failedPrecondition", string][]) {
  test(`${title} that cannot be found is refused: ${start}…`, () =>
    refuses(() => resolveIdentity(asked(context), { name: "shop:1", user }, files), kind, start));
}

for (const [title, context, start] of [
  ["a group without a user", { runAsGroup: id(1) }, "security.run_as_group is set without"],
  ["two users", { runAsUser: id(1), runAsUsername: "web" }, "security.run_as_user and run_as_username"],
  ["a negative user", { runAsUser: id(-1) }, "security.run_as_user is negative"],
  ["a negative group", { runAsUser: id(1), runAsGroup: id(-5) }, "security.run_as_group is negative"],
  ["a negative other group", { supplementalGroups: [1, -5] }, "security.supplemental_groups[1] is negative"],
  ["a user beyond all", { runAsUser: id("2147483648") }, "security.run_as_user 2147483648 is more than"],
  [
    "a group beyond all",
    { runAsUser: id(1), runAsGroup: id("9223372036854775807") },
    "security.run_as_group 9223372036854775807 is more than",
  ],
  ["an unknown policy", { supplementalGroupsPolicy: 7 as never }, "security.supplemental_groups_policy 7"],
] as [string, LinuxContainerSecurityContext, string][]) {
  test(`${title} is refused: ${start}…`, () => refuses(() => asked(context), "invalid", start));
}

test("the highest id is one", () => {
  const { uid, groups } = resolveIdentity(
    asked({ runAsUser: id(2147483647), supplementalGroups: [2147483647] }),
    { name: "shop:1", user: "" },
    noAccounts,
  );
  assert.deepEqual([uid, groups], [2147483647, [2147483647]]);
});

const strict = { supplementalGroupsPolicy: "Strict" } as const;
for (const [title, user, context, needed] of [
  ["Merge", "1:1", { runAsUser: id(1), runAsGroup: id(1) }, true],
  ["Strict with numbers asked for", "", { ...strict, runAsUser: id(1), runAsGroup: id(1) }, false],
  ["Strict with numbers of the image", "1:1", strict, false],
  ["Strict with a user alone, whose group is in the files", "", { ...strict, runAsUser: id(1) }, true],
  ["Strict with a name asked for", "", { ...strict, runAsUsername: "web", runAsGroup: id(1) }, true],
  ["Strict with the image's name", "web:1", strict, true],
  ["Strict with the image's group by name", "1:web", strict, true],
  ["Strict with nothing said", "", strict, true],
] as [string, string, LinuxContainerSecurityContext, boolean][]) {
  test(`an image's files are ${needed ? "" : "not "}read for ${title}`, () =>
    assert.equal(needsAccounts(asked(context), user), needed));
}

for (const [context, nothing] of [
  [{}, true],
  [strict, false],
  [{ supplementalGroups: [1] }, false],
  [{ runAsUser: id(0) }, false],
] as [LinuxContainerSecurityContext, boolean][]) {
  test(`${JSON.stringify(context)} asks for ${nothing ? "nothing" : "something"} of users and groups`, () =>
    assert.equal(asksForNothing(asked(context)), nothing));
}

test("carriage returns and spaces around a line are not part of it", () => {
  assert.deepEqual(parsePasswd(" web:x:33:44:::\r\n"), [{ name: "web", uid: 33, gid: 44 }]);
  assert.deepEqual(parseGroup("media:x:5:web\r\n"), [{ name: "media", gid: 5, members: ["web"] }]);
});
