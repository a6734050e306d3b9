/** What sandboxes and containers alike may not do, from CRI to Docker (pure). */
import type { HostConfig } from "dockerode";
import type { SecurityProfile__Output } from "../generated/runtime/v1/SecurityProfile.js";
import type { SELinuxOption__Output } from "../generated/runtime/v1/SELinuxOption.js";
import type { HostFacts } from "../host/facts.js";
import { toCapDrop } from "./capabilities.js";
import { apparmorOption, parseProfile, seccompOption, selinuxOptions, type Profile } from "./security.js";

export interface Confinement {
  privileged: boolean;
  readonlyRootfs: boolean;
  noNewPrivileges: boolean;
  seccomp: Profile | undefined;
  apparmor: Profile | undefined;
  selinux: string[];
}

interface SecurityContext {
  privileged: boolean;
  readonlyRootfs: boolean;
  seccomp: SecurityProfile__Output | null;
  seccompProfilePath: string;
  apparmor: SecurityProfile__Output | null;
  /** Of containers only. */
  apparmorProfile?: string;
  noNewPrivs?: boolean;
  selinuxOptions: SELinuxOption__Output | null;
}

/** @param field the context's place in the request, for errors */
export const parseConfinement = (context: SecurityContext | null, field: string): Confinement =>
  context
    ? {
        privileged: context.privileged,
        readonlyRootfs: context.readonlyRootfs,
        noNewPrivileges: context.noNewPrivs ?? false,
        seccomp: parseProfile(context.seccomp, context.seccompProfilePath, `${field}.seccomp`),
        apparmor: parseProfile(context.apparmor, context.apparmorProfile ?? "", `${field}.apparmor`),
        selinux: selinuxOptions(context.selinuxOptions),
      }
    : {
        privileged: false,
        readonlyRootfs: false,
        noNewPrivileges: false,
        seccomp: undefined,
        apparmor: undefined,
        selinux: [],
      };

/** @param seccomp the text of the localhost seccomp profile, where one is asked for */
export function toConfinement(asked: Confinement, host: HostFacts, seccomp: string | undefined): HostConfig {
  const { readonlyRootfs: ReadonlyRootfs, selinux } = asked;
  const noNewPrivileges = asked.noNewPrivileges ? ["no-new-privileges"] : [];
  if (asked.privileged) {
    const { options, config } = toPrivileged(host, selinux.length > 0);
    return { ReadonlyRootfs, ...config, SecurityOpt: [...noNewPrivileges, ...selinux, ...options] };
  }
  return {
    ReadonlyRootfs,
    SecurityOpt: [
      ...noNewPrivileges,
      ...seccompOption(asked.seccomp, seccomp),
      ...apparmorOption(asked.apparmor, host),
      ...selinux,
    ],
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
