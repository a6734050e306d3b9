/** capabilities(7), by number. */
import { hasApi } from "../docker/api-version.js";

export const capabilityNames = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT " +
  "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL " +
  "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split(" ");

/** The names that a bit mask has (CapEff and its kin in proc(5)). */
export const namesOf = (mask: bigint): string[] =>
  capabilityNames.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);

/** The last capability that engines before API 1.42 know, AUDIT_READ. */
const lastOfOldEngines = 37;

/**
 * The capabilities that the engine counts to "ALL" although a process with this mask cannot give them. Engines
 * since API 1.42 look at what they have themselves, and refuse even to drop what they lack.
 * @param last number of the last capability that the kernel knows (/proc/sys/kernel/cap_last_cap)
 */
export function missingCapabilities(mask: bigint, last: number, apiVersion: string): string[] {
  if (hasApi(apiVersion, "1.42")) return [];
  const has = namesOf(mask);
  return capabilityNames.slice(0, Math.min(last, lastOfOldEngines) + 1).filter((name) => !has.includes(name));
}
