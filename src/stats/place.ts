/** Where a container's and a pod's statistics are, from the text of its process's /proc/<pid>/cgroup (pure). */
import { dirname } from "node:path/posix";
import { cgroupFolder } from "../linux/cgroup-files.js";
import { filesV1, parseUsageV1 } from "./cgroup-v1.js";
import { filesV2, parseUsageV2 } from "./cgroup-v2.js";
import type { CgroupUsage, StatsFile, Texts } from "./usage.js";

/** Files to read, and how to understand them. */
export interface Place {
  /** With their paths below /sys/fs/cgroup; a controller that this host does not have has none. */
  files: { name: string; path: string }[];
  parse: (text: Texts) => CgroupUsage;
}

/**
 * A container's own cgroup. It has the container's id in its name, with either of Docker's drivers ("<id>",
 * "docker-<id>.scope"); a container that manages cgroups, as one with systemd does, has its first process
 * somewhere below.
 * @returns undefined where the process is in no such cgroup: it is another's, who got the same pid
 */
export const containerPlace = (text: string, id: string): Place | undefined =>
  placeAt(text, (folder) => cutBehind(folder, id));

/** The cgroup that a sandbox's own is in, which the kubelet made for the pod. */
export const podPlace = (text: string, id: string): Place | undefined =>
  placeAt(text, (folder) => {
    const own = cutBehind(folder, id);
    return own === undefined ? undefined : dirname(own);
  });

function placeAt(text: string, folderOf: (folder: string) => string | undefined): Place | undefined {
  // A host with hierarchies of both versions has its controllers in the first.
  const cgroupVersion = /^\d+:([^:]*,)?memory[,:]/m.test(text) ? 1 : 2;
  const wanted: readonly StatsFile[] = cgroupVersion === 1 ? filesV1 : filesV2;
  const files = wanted.flatMap(({ controller, name }) => {
    const folder = folderOf(cgroupFolder(text, controller, { cgroupVersion }) ?? "");
    return folder === undefined ? [] : [{ name, path: `${folder}/${name}` }];
  });
  return files.length === 0 ? undefined : { files, parse: cgroupVersion === 1 ? parseUsageV1 : parseUsageV2 };
}

/** The path up to the part that has the id in it. */
function cutBehind(folder: string, id: string): string | undefined {
  const parts = folder.split("/");
  const index = parts.findIndex((part) => part.includes(id));
  return index < 0 ? undefined : parts.slice(0, index + 1).join("/");
}
