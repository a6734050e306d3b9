/**
 * Pods' network namespaces, kept by a mount each, so that one outlives the process that it was made for: a plugin can
 * only take back all that it did (the masquerading of a pod's addresses, for instance) while the namespace is there.
 * They are where iproute2 and the other runtimes keep theirs, so `ip netns exec` finds them.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CriError } from "../../errors.js";
import { runProgram } from "../../run-program.js";

export class NetworkNamespaces {
  #ready: Promise<void> | undefined;

  constructor(private readonly directory = "/run/netns") {}

  /** Where a sandbox's namespace is, when it is pinned. */
  pathOf(sandboxId: string): string {
    return join(this.directory, `cni-${sandboxId}`);
  }

  /**
   * Keeps the namespace of a sandbox, which is that of its process.
   * @throws CriError failedPrecondition when the process has gone, internal when it cannot be mounted
   */
  async pin(sandboxId: string, pid: number): Promise<void> {
    this.#ready ??= this.#prepare();
    await this.#ready.catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    const source = `/proc/${pid}/ns/net`;
    const [theirs, ours] = await Promise.all([source, "/proc/self/ns/net"].map((file) => stat(file))).catch(
      () => {
        throw new CriError("failedPrecondition", `the sandbox's process ${pid} has gone`);
      },
    );
    if (theirs?.ino === ours?.ino) {
      throw new CriError(
        "failedPrecondition",
        `the sandbox's process ${pid} has gone, or is on the host's network`,
      );
    }
    // What an attempt before has left.
    await this.unpin(sandboxId);
    const path = this.pathOf(sandboxId);
    await writeFile(path, "", { mode: 0o444, flag: "a" });
    await runProgram("mount", ["--bind", source, path]);
  }

  /** Lets go of it; the kernel removes it with its last process. Not there is no error. */
  async unpin(sandboxId: string): Promise<void> {
    const path = this.pathOf(sandboxId);
    // Lazily: whoever looks at it just now does not stand in the way.
    if (await this.isPinned(sandboxId)) await runProgram("umount", ["--lazy", path]);
    await rm(path, { force: true });
  }

  /** A file without a mount, as a crash leaves it, does not count. */
  async isPinned(sandboxId: string): Promise<boolean> {
    const [file, folder] = await Promise.all(
      [this.pathOf(sandboxId), this.directory].map((name) => stat(name)),
    ).catch(() => []);
    return file !== undefined && file.dev !== folder?.dev;
  }

  /** As iproute2 prepares it: what is mounted there is seen by containers that mount the folder. */
  async #prepare(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o755 });
    const mounts = await readFile("/proc/self/mountinfo", "utf8");
    if (mounts.split("\n").some((line) => line.split(" ")[4] === this.directory)) return;
    await runProgram("mount", ["--bind", this.directory, this.directory]);
    await runProgram("mount", ["--make-rshared", this.directory]);
  }
}
