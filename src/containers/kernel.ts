/** Settings of running containers that are made in the kernel's files, past Docker. */
import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CriError, messageOf } from "../errors.js";
import type { HostFacts } from "../host/facts.js";
import { cgroupFolder, type CgroupFile } from "../linux/cgroup-files.js";

export interface KernelOptions {
  /** Where cgroups are mounted. */
  cgroups?: string;
  proc?: string;
}

type Version = Pick<HostFacts, "cgroupVersion">;

export class Kernel {
  readonly #cgroups: string;
  readonly #proc: string;

  constructor({ cgroups = "/sys/fs/cgroup", proc = "/proc" }: KernelOptions = {}) {
    this.#cgroups = cgroups;
    this.#proc = proc;
  }

  /**
   * Writes files of the cgroup that a container's process is in.
   * @throws CriError failedPrecondition where this host has no such file, internal when the kernel refuses the text
   */
  async writeCgroupFiles(pid: number, files: readonly CgroupFile[], host: Version): Promise<void> {
    if (files.length === 0) return;
    const text = await this.#cgroupsOf(pid);
    for (const { controller, name, text: content, optional } of files) {
      const folder = cgroupFolder(text, controller, host);
      const path = folder === undefined ? undefined : join(this.#cgroups, folder, name);
      if (path === undefined || !(await exists(path))) {
        if (optional) continue;
        throw new CriError("failedPrecondition", `this host's cgroups have no ${name}`);
      }
      await writeFile(path, content).catch((error: unknown) => {
        throw new CriError("internal", `${name} cannot be ${JSON.stringify(content)}: ${messageOf(error)}`, {
          cause: error,
        });
      });
    }
  }

  /**
   * Sets the oom_score_adj (proc(5)) of every process of a container; ones that it starts later inherit it.
   * @throws CriError internal when the kernel refuses it
   */
  async setOomScoreAdj(pid: number, value: number, host: Version): Promise<void> {
    const folder = cgroupFolder(await this.#cgroupsOf(pid), "memory", host) ?? "";
    const members = await readFile(join(this.#cgroups, folder, "cgroup.procs"), "utf8").catch(() => `${pid}`);
    for (const member of members.split("\n").filter((line) => line !== "")) {
      await writeFile(join(this.#proc, member, "oom_score_adj"), String(value)).catch((error: unknown) => {
        // It has just ended.
        if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return;
        throw new CriError("internal", `oom_score_adj cannot be ${value}: ${messageOf(error)}`, {
          cause: error,
        });
      });
    }
  }

  async #cgroupsOf(pid: number): Promise<string> {
    return await readFile(join(this.#proc, String(pid), "cgroup"), "utf8").catch((error: unknown) => {
      throw new CriError("failedPrecondition", `the container's process ${pid} has gone`, { cause: error });
    });
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
