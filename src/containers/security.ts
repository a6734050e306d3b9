/** What a container may do, from CRI to Docker (pure). */
import type { HostConfig } from "dockerode";
import type { HostFacts } from "../host/facts.js";
import { toCapDrop } from "../linux/capabilities.js";
import { apparmorOption, seccompOption } from "../linux/security.js";
import type { Security } from "./spec.js";

/** @param seccomp the text of the localhost seccomp profile, where the spec names one */
export function toSecurity(security: Security, host: HostFacts, seccomp: string | undefined): HostConfig {
  const common: HostConfig = {
    GroupAdd: security.supplementalGroups,
    ReadonlyRootfs: security.readonlyRootfs,
  };
  const noNewPrivileges = security.noNewPrivileges ? ["no-new-privileges"] : [];
  if (security.privileged) {
    const { options, config } = toPrivileged(host, security.selinux.length > 0);
    return { ...common, ...config, SecurityOpt: [...noNewPrivileges, ...security.selinux, ...options] };
  }
  return {
    ...common,
    CapAdd: security.addCapabilities,
    CapDrop: toCapDrop(security.addCapabilities, security.dropCapabilities, host),
    SecurityOpt: [
      ...noNewPrivileges,
      ...seccompOption(security.seccomp, seccomp),
      ...apparmorOption(security.apparmor, host),
      ...security.selinux,
    ],
    MaskedPaths: security.maskedPaths,
    ReadonlyPaths: security.readonlyPaths,
  };
}

/**
 * Docker's privileged mode, and its parts where that mode cannot work: it wants every capability that the
 * kernel knows, and runc cannot give what the host withholds. What the parts cannot say is a writable /sys
 * and the host's device nodes (the container may make and use them).
 */
function toPrivileged(host: HostFacts, ownLabel: boolean): { options: string[]; config: HostConfig } {
  if (host.missingCapabilities.length === 0) return { options: [], config: { Privileged: true } };
  const options = ["seccomp=unconfined"];
  if (host.apparmor) options.push("apparmor=unconfined");
  if (host.selinux && !ownLabel) options.push("label=disable");
  return {
    options,
    config: {
      CapAdd: ["ALL"],
      CapDrop: toCapDrop(["ALL"], [], host),
      DeviceCgroupRules: ["a *:* rwm"],
      MaskedPaths: [],
      ReadonlyPaths: [],
    },
  };
}
