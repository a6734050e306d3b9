/** Capabilities, as far as a host that lacks some needs care (pure). */
import type { HostFacts } from "../host/facts.js";

/** capabilities(7), by number. */
const names = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT " +
  "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL " +
  "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split(" ");

/** The names that a bit mask has (CapEff and its kin in proc(5)). */
export const namesOf = (mask: bigint): string[] =>
  names.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);

/**
 * The capabilities to ask Docker for. "ALL" means all that the host has: Docker takes it for all that the
 * kernel knows, and runc cannot apply what its own process lacks.
 */
export function toCapAdd(wanted: string[], { capabilities }: Pick<HostFacts, "capabilities">): string[] {
  const all = wanted.some((name) => name.toUpperCase() === "ALL");
  return all && names.some((name) => !capabilities.includes(name)) ? capabilities : wanted;
}
