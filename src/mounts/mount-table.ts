/** The kernel's list of mounts, proc_pid_mountinfo(5) (pure). */

export interface MountEntry {
  id: string;
  /** The id of the mount that it is mounted on. */
  parent: string;
  mountPoint: string;
  /** Of this mount alone, not of its file system. */
  options: string[];
  /** What is mounted below it is seen by its peers. */
  shared: boolean;
  /** What its master sees mounted is seen by it. */
  slave: boolean;
}

/** In the file's order: what is mounted on a mount comes after it. */
export const parseMountTable = (text: string): MountEntry[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", parent = "", , , mountPoint = "", options = "", ...rest] = line.split(" ");
      const tags = rest.slice(0, rest.indexOf("-"));
      return {
        id,
        parent,
        mountPoint: unescape(mountPoint),
        options: options.split(","),
        shared: tags.some((tag) => tag.startsWith("shared:")),
        slave: tags.some((tag) => tag.startsWith("master:")),
      };
    });

/** The mounts at and below a path that a path leads to, outer ones first. */
export const treeAt = (table: MountEntry[], path: string): MountEntry[] =>
  table.filter((entry) => isWithin(entry.mountPoint, path) && mountOf(table, entry.mountPoint) === entry);

/** The mount that a path without symbolic links leads to: from the root, the outermost mount on the way first. */
export function mountOf(table: MountEntry[], path: string): MountEntry | undefined {
  let at = table.find(({ parent, id }) => parent === id || !table.some((other) => other.id === parent));
  for (let next = at; next; next = nextOn(table, at, path)) at = next;
  return at;
}

const nextOn = (table: MountEntry[], at: MountEntry | undefined, path: string): MountEntry | undefined =>
  table
    .filter(({ id, parent, mountPoint }) => parent === at?.id && id !== parent && isWithin(path, mountPoint))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length)[0];

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === "/" ? folder : `${folder}/`);

/** Spaces, tabs, line feeds and backslashes are written in octal. */
const unescape = (text: string): string =>
  text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
