import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegistryAuth } from "../../../src/docker/engine.js";
import type { AuthConfig } from "../../../src/generated/runtime/v1/AuthConfig.js";
import { toRegistryAuth } from "../../../src/images/auth.js";
import { authConfig } from "../../support/builders.js";

const basic = (text: string): string => Buffer.from(text).toString("base64");
const at = (serveraddress: string) => ({ username: "u", password: "p", serveraddress });

const cases: [string, AuthConfig, string, RegistryAuth | undefined][] = [
  [
    "a name and a password are sent to the image's registry",
    { username: "u", password: "p" },
    "ghcr.io",
    at("ghcr.io"),
  ],
  ["a password can be empty", { username: "u" }, "ghcr.io", { ...at("ghcr.io"), password: "" }],
  ["the base64 form says the same", { auth: basic("u:p") }, "ghcr.io", at("ghcr.io")],
  [
    "a password can have colons",
    { auth: basic("u:p:q:") },
    "ghcr.io",
    { ...at("ghcr.io"), password: "p:q:" },
  ],
  ["a password padded with NULs is the password", { auth: basic("u:p\0\0") }, "ghcr.io", at("ghcr.io")],
  [
    "a password can be outside ASCII",
    { auth: basic("u:größe") },
    "ghcr.io",
    { ...at("ghcr.io"), password: "größe" },
  ],
  [
    "name and password win over the base64 form",
    { username: "u", password: "p", auth: basic("x:y") },
    "ghcr.io",
    at("ghcr.io"),
  ],
  [
    "an identity token wins over a password",
    { ...at(""), identityToken: "t" },
    "ghcr.io",
    { identitytoken: "t", serveraddress: "ghcr.io" },
  ],
  [
    "a registry token wins over all",
    { ...at(""), identityToken: "t", registryToken: "r" },
    "ghcr.io",
    { registrytoken: "r", serveraddress: "ghcr.io" },
  ],
  [
    "credentials for this very server are sent",
    { username: "u", password: "p", serverAddress: "ghcr.io" },
    "ghcr.io",
    at("ghcr.io"),
  ],
  [
    "a server is known by its URL",
    { username: "u", password: "p", serverAddress: "https://ghcr.io/v2/" },
    "ghcr.io",
    at("https://ghcr.io/v2/"),
  ],
  [
    "a server's port belongs to it",
    { username: "u", password: "p", serverAddress: "http://host:5000" },
    "host:5000",
    at("http://host:5000"),
  ],
  [
    "Docker Hub is known by its old address",
    { username: "u", password: "p", serverAddress: "https://index.docker.io/v1/" },
    "docker.io",
    at("https://index.docker.io/v1/"),
  ],
  [
    "Docker Hub is known by its registry",
    { username: "u", password: "p", serverAddress: "registry-1.docker.io" },
    "docker.io",
    at("registry-1.docker.io"),
  ],
  [
    "another server's credentials stay here",
    { username: "u", password: "p", serverAddress: "ghcr.io" },
    "quay.io",
    undefined,
  ],
  [
    "another port's credentials stay here",
    { username: "u", password: "p", serverAddress: "host:5001" },
    "host:5000",
    undefined,
  ],
  [
    "Docker Hub's credentials stay here when another server is asked",
    { username: "u", password: "p", serverAddress: "docker.io" },
    "evil-docker.io",
    undefined,
  ],
  [
    "another server's token stays here",
    { registryToken: "r", serverAddress: "ghcr.io" },
    "quay.io",
    undefined,
  ],
  ["an empty message is no credentials", {}, "ghcr.io", undefined],
  ["a server alone is no credentials", { serverAddress: "ghcr.io" }, "ghcr.io", undefined],
];

for (const [title, auth, registry, expected] of cases) {
  test(title, () => assert.deepEqual(toRegistryAuth(authConfig(auth), registry), expected));
}

test("no message is no credentials", () => assert.equal(toRegistryAuth(null, "ghcr.io"), undefined));

for (const auth of ["!!!", basic("no colon"), basic("\0\0")]) {
  test(`the base64 form ${auth} is refused, without repeating it`, () => {
    assert.throws(
      () => toRegistryAuth(authConfig({ auth }), "ghcr.io"),
      (error: { kind?: string; message?: string }) =>
        error.kind === "invalid" &&
        (error.message ?? "").startsWith("auth.auth ") &&
        !(error.message ?? "").includes(auth),
    );
  });
}
