/**
 * Reads of /proc and cgroups that end when the process does. They are synchronous: the kernel answers from memory, in
 * microseconds, and Node's thread pool would take ten times as long to be asked. Long lists have to let others run in
 * between (`breather`).
 */
import {
  closeSync,
  constants,
  existsSync,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { CriError, messageOf } from "../errors.js";
import type { PlacedFile } from "./place.js";
import type { Texts } from "./usage.js";

/** A file of statistics, which may be kept open from one question to the next. */
export interface CgroupFile {
  name: string;
  path: string;
  fd: number | undefined;
}

export interface KernelRoots {
  /** Where cgroups are mounted. */
  cgroups?: string;
  proc?: string;
  sys?: string;
  /**
   * How many files of statistics may be kept open: to open one takes the kernel five times as long as to read it. It
   * costs about 5 KiB, and does not keep a cgroup from going: then it cannot be read any more.
   */
  keptOpen?: number;
}

/**
 * No such file, or none any more: a process or a cgroup that ends while it is read answers with the second and the
 * third; a pressure file that is switched off with the last.
 */
const absent = ["ENOENT", "ESRCH", "ENODEV", "EOPNOTSUPP", "ENOTSUP"];

export class KernelFiles {
  readonly #cgroups: string;
  readonly #proc: string;
  readonly #sys: string;
  readonly #keptOpen: number;
  #kept = 0;
  #buffer = Buffer.allocUnsafe(16 * 1024);

  constructor({
    cgroups = "/sys/fs/cgroup",
    proc = "/proc",
    sys = "/sys",
    keptOpen = 2000,
  }: KernelRoots = {}) {
    this.#cgroups = cgroups;
    this.#proc = proc;
    this.#sys = sys;
    this.#keptOpen = keptOpen;
  }

  /** The text of /proc/<pid>/<name>; undefined when the process has gone. */
  process(pid: number, name: string): string | undefined {
    return this.proc(`${pid}/${name}`);
  }

  /** The text of /proc/<name>. */
  proc(name: string): string | undefined {
    return this.#read(`${this.#proc}/${name}`);
  }

  /** The text of a file of the root cgroup, which version 1 does not have. */
  cgroupRoot(name: string): string | undefined {
    return this.#read(`${this.#cgroups}/${name}`);
  }

  /** Those of the files that this host has, as far as the cgroup is there. */
  existing(files: readonly PlacedFile[]): CgroupFile[] {
    return files
      .map(({ name, path }) => ({ name, path: this.#cgroups + path, fd: undefined }))
      .filter(({ path }) => existsSync(path));
  }

  texts(files: readonly CgroupFile[]): Texts {
    const byName = new Map<string, string>();
    for (const file of files) {
      const text = this.#readKept(file);
      if (text !== undefined) byName.set(file.name, text);
    }
    return (name) => byName.get(name);
  }

  close(files: readonly CgroupFile[]): void {
    for (const file of files) this.#drop(file);
  }

  /** The processes in a cgroup and in those below it; threads do not count. None when it has gone. */
  pids(folder: string): number[] {
    const path = this.#cgroups + folder;
    const own = (this.#read(`${path}/cgroup.procs`) ?? "").split("\n").filter((line) => line !== "");
    const pids = own.map(Number);
    // A kernfs folder has two links, and one more for each folder in it.
    if (statSync(path, { throwIfNoEntry: false })?.nlink === 2) return pids;
    return [...pids, ...foldersIn(path).flatMap((name) => this.pids(`${folder}/${name}`))];
  }

  /**
   * Where a process's descriptors lead to ("socket:[4711]"); none when it has gone.
   * @returns undefined where there are more than `most`
   */
  descriptors(pid: number, most: number): string[] | undefined {
    const path = `${this.#proc}/${pid}/fd`;
    const targets: string[] = [];
    const whole = unlessAbsent(path, () => {
      const folder = opendirSync(path);
      try {
        for (let entry = folder.readSync(); entry; entry = folder.readSync()) {
          if (targets.length === most) return false;
          const link = `${path}/${entry.name}`;
          const target = unlessAbsent(link, () => readlinkSync(link));
          if (target !== undefined) targets.push(target);
        }
        return true;
      } finally {
        folder.closeSync();
      }
    });
    return whole === false ? undefined : targets;
  }

  /** The sizes of huge pages that this host knows, by their folders below /sys/kernel/mm. */
  hugePageFolders(): string[] {
    return foldersIn(join(this.#sys, "kernel/mm/hugepages"));
  }

  #read(path: string): string | undefined {
    return unlessAbsent(path, () => {
      const fd = openSync(path, constants.O_RDONLY);
      try {
        return this.#readList(fd);
      } finally {
        closeSync(fd);
      }
    });
  }

  #readKept(file: CgroupFile): string | undefined {
    if (file.fd === undefined && this.#kept >= this.#keptOpen) return this.#read(file.path);
    const text = unlessAbsent(file.path, () => {
      if (file.fd === undefined) {
        file.fd = openSync(file.path, constants.O_RDONLY);
        this.#kept++;
      }
      return this.#readRecord(file.fd);
    });
    if (text === undefined) this.#drop(file);
    return text;
  }

  #drop(file: CgroupFile): void {
    if (file.fd === undefined) return;
    closeSync(file.fd);
    file.fd = undefined;
    this.#kept--;
  }

  /** A list can come in pieces. */
  #readList(fd: number): string {
    for (let length = 0; ;) {
      const got = this.#readAt(fd, length);
      if (got === 0) return this.#buffer.toString("utf8", 0, length);
      length += got;
    }
  }

  /** What the kernel writes at once is read at once (seq_file.rst), which takes half the time. */
  #readRecord(fd: number): string {
    let length = this.#readAt(fd, 0);
    while (length === this.#buffer.length) length += this.#readAt(fd, length);
    return this.#buffer.toString("utf8", 0, length);
  }

  /** One buffer serves all: nothing else runs until the text has been made of it. */
  #readAt(fd: number, position: number): number {
    if (position === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], position * 2);
    return readSync(fd, this.#buffer, position, this.#buffer.length - position, position);
  }
}

const foldersIn = (path: string): string[] =>
  unlessAbsent(path, () =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  ) ?? [];

/** @throws CriError internal for what is there and cannot be read */
function unlessAbsent<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (absent.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new CriError("internal", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
