/**
 * Where mounts are made: in the mount namespace of the Docker Engine, which is our own unless this program runs in a
 * container. mount(8) and umount(8) of util-linux do it, since Node has no system call for it; nsenter(1) leads there.
 */
import { readFile, readlink } from "node:fs/promises";
import { processesNamed } from "../host/processes.js";
import { runProgram } from "../run-program.js";
import { parseMountTable, type MountEntry } from "./mount-table.js";

export class MountNamespace {
  /** @param pid a process in it; undefined for our own */
  constructor(private readonly pid?: string) {}

  /** A path in it, as one that we can open; what it leads to may have symbolic links that mean another root. */
  toOurs(path: string): string {
    return this.pid === undefined ? path : `/proc/${this.pid}/root${path}`;
  }

  async table(): Promise<MountEntry[]> {
    return parseMountTable(await readFile(`/proc/${this.pid ?? "self"}/mountinfo`, "utf8"));
  }

  /** @param cwd what relative paths in options are relative to */
  mount(args: string[], cwd = "/"): Promise<void> {
    return this.#command("mount", args, cwd);
  }

  /** So that nothing that is mounted or unmounted below has an effect elsewhere. */
  makePrivate(path: string): Promise<void> {
    return this.mount(["--make-rprivate", path]);
  }

  /** With all that is below, and lazily: whoever looks at it just now does not stand in the way. */
  unmount(path: string): Promise<void> {
    return this.#command("umount", ["--lazy", path], "/");
  }

  async #command(program: string, args: string[], cwd: string): Promise<void> {
    const line = [program, "--no-mtab", ...args];
    if (this.pid !== undefined)
      line.unshift("nsenter", `--mount=/proc/${this.pid}/ns/mnt`, `--wd=${this.toOurs(cwd)}`);
    const [file = "", ...rest] = line;
    // The newer interface of the kernel takes no text beyond 256 characters, and a list of layers is longer.
    const env = { ...process.env, LIBMOUNT_FORCE_MOUNT2: "always" };
    await runProgram(file, rest, { env, cwd: this.toOurs(cwd) });
  }
}

/** The Docker Engine's, where its process can be seen. */
export async function engineNamespace(): Promise<MountNamespace> {
  const ours = await readlink("/proc/self/ns/mnt");
  let other: string | undefined;
  for (const pid of processesNamed("dockerd")) {
    const theirs = await readlink(`/proc/${pid}/ns/mnt`).catch(() => undefined);
    if (theirs === ours) return new MountNamespace();
    // There may be others, of other engines.
    if (theirs !== undefined) other ??= pid;
  }
  return new MountNamespace(other);
}
