/** Security profiles, shared by sandboxes and containers (pure). */
import { CriError } from "../errors.js";
import type { SecurityProfile__Output } from "../generated/runtime/v1/SecurityProfile.js";
import type { SELinuxOption__Output } from "../generated/runtime/v1/SELinuxOption.js";
import type { HostFacts } from "../host/facts.js";

export type Profile = { type: "default" } | { type: "unconfined" } | { type: "localhost"; ref: string };

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
