/** What a container may do, from CRI to Docker (pure). */
import type { HostConfig } from "dockerode";
import type { HostFacts } from "../host/facts.js";
import { toCapDrop } from "../linux/capabilities.js";
import { toConfinement } from "../linux/confinement.js";
import type { Security } from "./spec.js";

/** @param seccomp the text of the localhost seccomp profile, where the spec names one */
export function toSecurity(security: Security, host: HostFacts, seccomp: string | undefined): HostConfig {
  const confinement = toConfinement(security, host, seccomp);
  if (security.privileged) return confinement;
  return {
    ...confinement,
    CapAdd: security.addCapabilities,
    CapDrop: toCapDrop(security.addCapabilities, security.dropCapabilities, host),
    MaskedPaths: security.maskedPaths,
    ReadonlyPaths: security.readonlyPaths,
  };
}
