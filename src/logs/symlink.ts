/**
 * Container logs where the kubelet looks for them: a symbolic link from the CRI log path to Docker's own
 * json-file, as dockershim and cri-dockerd made it.
 */
import { mkdir, readlink, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * @param path the CRI log path; empty when the pod wants no log
 * @param target Docker's file; empty when the container's log driver has none
 */
export async function linkLog(path: string, target: string): Promise<void> {
  if (path === "" || target === "") return;
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await symlink(target, path);
}

/** Removes the link if it is ours: one that leads to `target`. */
export async function unlinkLog(path: string, target: string): Promise<void> {
  if (path === "") return;
  const leadsTo = await readlink(path).catch(() => undefined);
  if (leadsTo !== undefined && leadsTo === target) await rm(path, { force: true });
}
