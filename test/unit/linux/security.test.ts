import assert from "node:assert/strict";
import { test } from "node:test";
import type { SecurityProfile__Output } from "../../../src/generated/runtime/v1/SecurityProfile.js";
import type {
  SELinuxOption,
  SELinuxOption__Output,
} from "../../../src/generated/runtime/v1/SELinuxOption.js";
import {
  apparmorOption,
  parseProfile,
  seccompOption,
  selinuxOptions,
  type Profile,
} from "../../../src/linux/security.js";
import { received } from "../../support/builders.js";

const field = "config.linux.security_context.seccomp";
const profile = (profileType: string | number, localhostRef = "") =>
  received<SecurityProfile__Output>("SecurityProfile", { profileType, localhostRef });

for (const [title, given, deprecated, expected] of [
  ["nothing given is no profile", null, "", undefined],
  ["RuntimeDefault is the engine's own", profile("RuntimeDefault"), "", { type: "default" }],
  ["Unconfined is none", profile("Unconfined"), "", { type: "unconfined" }],
  ["Localhost names a profile", profile("Localhost", "/p.json"), "", { type: "localhost", ref: "/p.json" }],
  ["the newer field wins over the text", profile("Unconfined"), "runtime/default", { type: "unconfined" }],
  ["the text runtime/default is understood", null, "runtime/default", { type: "default" }],
  ["the text docker/default is understood", null, "docker/default", { type: "default" }],
  ["the text unconfined is understood", null, "unconfined", { type: "unconfined" }],
  ["the text localhost/… names a profile", null, "localhost//p.json", { type: "localhost", ref: "/p.json" }],
] as [string, SecurityProfile__Output | null, string, Profile | undefined][]) {
  test(title, () => assert.deepEqual(parseProfile(given, deprecated, field), expected));
}

for (const [title, given, deprecated] of [
  ["Localhost without a reference", profile("Localhost"), ""],
  ["the text localhost/ without a reference", null, "localhost/"],
  ["a text that is no profile", null, "strict"],
  ["a text that only has localhost/ inside", null, "my-localhost/x"],
  ["a profile type that is unknown", profile(9), ""],
  ["a profile type that is unknown, with a reference", profile(9, "/p.json"), ""],
] as const) {
  test(`${title} is refused, and the field named`, () => {
    assert.throws(
      () => parseProfile(given, deprecated, field),
      (error: { kind?: string; message?: string }) =>
        error.kind === "invalid" && (error.message ?? "").startsWith(field),
    );
  });
}

for (const [title, given, json, expected] of [
  ["no profile runs unconfined, as CRI says", undefined, undefined, ["seccomp=unconfined"]],
  ["unconfined is said to Docker", { type: "unconfined" }, undefined, ["seccomp=unconfined"]],
  ["the default needs no word", { type: "default" }, undefined, []],
  ["the default is not replaced by a text that it did not name", { type: "default" }, "{}", []],
  [
    "a local profile is handed over as its text",
    { type: "localhost", ref: "/p" },
    '{"a":1}',
    ['seccomp={"a":1}'],
  ],
] as [string, Profile | undefined, string | undefined, string[]][]) {
  test(`seccomp: ${title}`, () => assert.deepEqual(seccompOption(given, json), expected));
}

const withArmor = { apparmor: true };
const withoutArmor = { apparmor: false };
for (const [title, given, host, expected] of [
  ["no profile is Docker's default", undefined, withArmor, []],
  ["the default needs no word", { type: "default" }, withArmor, []],
  ["unconfined is said to Docker", { type: "unconfined" }, withArmor, ["apparmor=unconfined"]],
  ["a loaded profile is named", { type: "localhost", ref: "k8s-web" }, withArmor, ["apparmor=k8s-web"]],
  ["on a host without it the default is fine", { type: "default" }, withoutArmor, []],
  ["on a host without it unconfined is fine", { type: "unconfined" }, withoutArmor, []],
] as [string, Profile | undefined, { apparmor: boolean }, string[]][]) {
  test(`apparmor: ${title}`, () => assert.deepEqual(apparmorOption(given, host), expected));
}

test("apparmor: a profile that the host cannot apply is refused rather than ignored", () => {
  assert.throws(() => apparmorOption({ type: "localhost", ref: "k8s-web" }, withoutArmor), {
    kind: "invalid",
    message: /k8s-web/,
  });
});

const selinux = (option: SELinuxOption) => received<SELinuxOption__Output>("SELinuxOption", option);
for (const [title, option, expected] of [
  ["nothing is nothing", null, []],
  ["an empty message is nothing", selinux({}), []],
  ["a level alone is the level alone", selinux({ level: "s0:c1,c2" }), ["label=level:s0:c1,c2"]],
  [
    "all four parts are given",
    selinux({ user: "u", role: "r", type: "t", level: "l" }),
    ["label=user:u", "label=role:r", "label=type:t", "label=level:l"],
  ],
] as [string, SELinuxOption__Output | null, string[]][]) {
  test(`selinux: ${title}`, () => assert.deepEqual(selinuxOptions(option), expected));
}
