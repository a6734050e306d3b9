/** An image's files as a folder of this machine, read-only, from the layers that the overlay2 driver keeps. */
import { lstat, readFile, readlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CriError } from "../errors.js";
import type { MountNamespace } from "./mount-namespace.js";

/** @param layers their folders, the topmost first */
export async function mountLayers(
  namespace: MountNamespace,
  layers: readonly string[],
  target: string,
): Promise<void> {
  const [top = "", ...lower] = layers;
  // An overlay needs two.
  if (lower.length === 0) {
    await namespace.mount(["--bind", top, target]);
    return;
  }
  // A mount's options have to fit into a page. That is what the driver's short names are for, relative to its folder.
  const names = await Promise.all(
    layers.map((layer) => readFile(namespace.toOurs(join(dirname(layer), "link")), "utf8")),
  );
  const lowerdir = names.map((name) => `l/${name.trim()}`).join(":");
  const args = ["-t", "overlay", "-o", `ro,lowerdir=${lowerdir}`, "overlay", target];
  await namespace.mount(args, dirname(dirname(top)));
}

/** As many as the kernel follows. */
const mostLinks = 40;

/**
 * Where a path leads when `root` is the root folder: no symbolic link and no ".." leads out of it. What is there must
 * not change meanwhile.
 * @returns a path without symbolic links that begins with "/", without `root`
 * @throws the file system's ENOENT, ENOTDIR and ELOOP
 */
export async function resolveWithin(root: string, path: string): Promise<string> {
  let at: string[] = [];
  let links = 0;
  for (const rest = partsOf(path); rest.length > 0;) {
    const name = rest.shift() ?? "";
    if (name === "..") {
      at.pop();
      continue;
    }
    const here = join(root, ...at, name);
    if (!(await lstat(here)).isSymbolicLink()) {
      at.push(name);
      continue;
    }
    if (++links > mostLinks)
      throw new CriError("invalid", `${path} has more than ${mostLinks} symbolic links`);
    const target = await readlink(here);
    if (target.startsWith("/")) at = [];
    rest.unshift(...partsOf(target));
  }
  return join("/", ...at);
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");
