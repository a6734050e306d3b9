/** Reads of /proc and cgroups that end when the process does. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CriError, messageOf } from "../errors.js";
import type { Place } from "./place.js";
import type { CgroupUsage } from "./usage.js";

export interface KernelRoots {
  /** Where cgroups are mounted. */
  cgroups?: string;
  proc?: string;
}

/**
 * No such file, or none any more: a process or a cgroup that ends while it is read answers with the second and the
 * third; a pressure file that is switched off with the last.
 */
const absent = ["ENOENT", "ESRCH", "ENODEV", "EOPNOTSUPP", "ENOTSUP"];

export class KernelFiles {
  readonly #cgroups: string;
  readonly #proc: string;

  constructor({ cgroups = "/sys/fs/cgroup", proc = "/proc" }: KernelRoots = {}) {
    this.#cgroups = cgroups;
    this.#proc = proc;
  }

  /** The text of /proc/<pid>/<name>; undefined when the process has gone. */
  process(pid: number, name: string): Promise<string | undefined> {
    return read(join(this.#proc, String(pid), name));
  }

  async usage({ files, parse }: Place): Promise<CgroupUsage> {
    const texts = await Promise.all(
      files.map(async ({ name, path }) => [name, await read(join(this.#cgroups, path))] as const),
    );
    const byName = new Map(texts);
    return parse((name) => byName.get(name));
  }
}

/** @throws CriError internal for what is there and cannot be read */
const read = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch((error: unknown) => {
    if (absent.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new CriError("internal", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  });
