/** Where a container's and a pod's statistics are, from the text of its process's /proc/<pid>/cgroup (pure). */
import { dirname } from "node:path/posix";
import { cgroupFolder } from "../linux/cgroup-files.js";
import type { StatsFile } from "./usage.js";

/** A cgroup: with version 1 one in each hierarchy. */
export interface Place {
  cgroupVersion: 1 | 2;
  /** The folder below /sys/fs/cgroup; undefined for a controller that this host does not have. */
  folder: (controller: string) => string | undefined;
}

export interface PlacedFile {
  name: string;
  /** Below /sys/fs/cgroup. */
  path: string;
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

export const filesAt = ({ folder }: Place, wanted: readonly StatsFile[]): PlacedFile[] =>
  wanted.flatMap(({ controller, name }) => {
    const at = folder(controller);
    return at === undefined ? [] : [{ name, path: `${at}/${name}` }];
  });

/** A host with hierarchies of both versions has its controllers in the first. */
export const cgroupVersionOf = (text: string): 1 | 2 => (/^\d+:([^:]*,)?memory[,:]/m.test(text) ? 1 : 2);

function placeAt(text: string, cut: (folder: string) => string | undefined): Place | undefined {
  const cgroupVersion = cgroupVersionOf(text);
  const folder = (controller: string) => cut(cgroupFolder(text, controller, { cgroupVersion }) ?? "");
  return folder("memory") === undefined ? undefined : { cgroupVersion, folder };
}

/** The path up to the part that has the id in it. */
function cutBehind(folder: string, id: string): string | undefined {
  const parts = folder.split("/");
  const index = parts.findIndex((part) => part.includes(id));
  return index < 0 ? undefined : parts.slice(0, index + 1).join("/");
}
