/** What the host has, and what it calls it (pure). */
import { cgroupVersionOf } from "../stats/place.js";
import type { HostPart } from "./table.js";

/**
 * @param ownCgroup the text of any process's /proc/<pid>/cgroup
 * @param controllers the root's cgroup.controllers, which is there with version 2
 */
export function toHostParts(ownCgroup: string, controllers: string): ReadonlySet<HostPart> {
  const version = cgroupVersionOf(ownCgroup);
  const hugePages = /\bhugetlb\b/.test(version === 1 ? ownCgroup : controllers);
  return new Set<HostPart>([
    ...(version === 2 ? (["cgroups of version 2"] as const) : []),
    ...(hugePages ? (["limits of huge pages"] as const) : []),
  ]);
}

/** From /proc/diskstats: "   8       1 sda1 500 …". */
export function parseDevices(text: string): (number: string) => string {
  const names = new Map(
    text.split("\n").map((line): [string, string] => {
      const [major, minor, name] = line.trim().split(/\s+/);
      return [`${major}:${minor}`, `/dev/${name}`];
    }),
  );
  return (number) => names.get(number) ?? number;
}

/** "8:1" of stat(2)'s device number (makedev(3)). */
export function toDeviceNumber(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${major}:${minor & 0xffffffffn}`;
}

/** From a folder of /sys/kernel/mm/hugepages, "hugepages-2048kB", to the form in the names of cgroups' files, "2MB". */
export function toPageSize(folder: string): string | undefined {
  const kibibytes = Number(/^hugepages-(\d+)kB$/.exec(folder)?.[1]);
  if (!kibibytes) return undefined;
  if (kibibytes >= 1024 ** 2) return `${kibibytes / 1024 ** 2}GB`;
  return kibibytes >= 1024 ? `${kibibytes / 1024}MB` : `${kibibytes}KB`;
}

/** The soft limit from /proc/<pid>/limits: "Max open files            1024                 524288               files". */
export function parseOpenFilesLimit(text: string): bigint | undefined {
  const soft = /^Max open files\s+(\d+)\s/m.exec(text)?.[1];
  return soft === undefined ? undefined : BigInt(soft);
}
