/** Security profiles and users, shared by sandboxes and containers (pure). */
import { CriError } from "../errors.js";
import type { SecurityProfile__Output } from "../generated/runtime/v1/SecurityProfile.js";
import type { SELinuxOption__Output } from "../generated/runtime/v1/SELinuxOption.js";
import type { Int64Value__Output } from "../generated/runtime/v1/Int64Value.js";
import type { HostFacts } from "../host/facts.js";

export type Profile = { type: "default" } | { type: "unconfined" } | { type: "localhost"; ref: string };

export interface Identity {
  runAsUser: Int64Value__Output | null;
  runAsGroup: Int64Value__Output | null;
  runAsUsername?: string;
}

/**
 * The profile of the newer field, else of the deprecated text, else undefined. The text's forms:
 * "runtime/default" (or "docker/default"), "unconfined", "localhost/<reference>".
 */
export function parseProfile(
  profile: SecurityProfile__Output | null,
  deprecated: string,
  field: string,
): Profile | undefined {
  if (profile) {
    if (typeof profile.profileType !== "string") {
      throw new CriError("invalid", `${field}.profile_type ${String(profile.profileType)} is unknown`);
    }
    if (profile.profileType === "RuntimeDefault") return { type: "default" };
    if (profile.profileType === "Unconfined") return { type: "unconfined" };
    return localhost(profile.localhostRef, `${field}.localhost_ref`);
  }
  if (deprecated === "") return undefined;
  if (deprecated === "runtime/default" || deprecated === "docker/default") return { type: "default" };
  if (deprecated === "unconfined") return { type: "unconfined" };
  if (deprecated.startsWith("localhost/")) return localhost(deprecated.slice("localhost/".length), field);
  throw new CriError("invalid", `${field}: unknown profile ${JSON.stringify(deprecated)}`);
}

function localhost(ref: string, field: string): Profile {
  if (ref === "") throw new CriError("invalid", `${field} is required with a localhost profile`);
  return { type: "localhost", ref };
}

/** Docker's User: "", "user", "user:group". CRI: a group without a user is an error. */
export function toUser({ runAsUser, runAsGroup, runAsUsername = "" }: Identity, field: string): string {
  const user = runAsUsername || (runAsUser?.value ?? "");
  for (const [name, id] of [
    ["run_as_user", runAsUser],
    ["run_as_group", runAsGroup],
  ] as const) {
    if (id && Number(id.value) < 0)
      throw new CriError("invalid", `${field}.${name} is negative: ${id.value}`);
  }
  if (!runAsGroup) return user;
  if (user === "") {
    throw new CriError("invalid", `${field}.run_as_group is set without run_as_user or run_as_username`);
  }
  return `${user}:${runAsGroup.value}`;
}

/** @param json the profile's text, read by the caller, when `profile` is a localhost one */
export function seccompOption(profile: Profile | undefined, json: string | undefined): string[] {
  if (!profile || profile.type === "unconfined") return ["seccomp=unconfined"];
  return profile.type === "localhost" && json !== undefined ? [`seccomp=${json}`] : [];
}

export function apparmorOption(profile: Profile | undefined, host: Pick<HostFacts, "apparmor">): string[] {
  if (!profile || profile.type === "default") return [];
  if (!host.apparmor) {
    if (profile.type === "unconfined") return [];
    throw new CriError(
      "invalid",
      `apparmor profile ${profile.ref} was asked for, but this host has no AppArmor`,
    );
  }
  return [`apparmor=${profile.type === "unconfined" ? "unconfined" : profile.ref}`];
}

export function selinuxOptions(option: SELinuxOption__Output | null): string[] {
  if (!option) return [];
  return (["user", "role", "type", "level"] as const)
    .filter((part) => option[part] !== "")
    .map((part) => `label=${part}:${option[part]}`);
}
