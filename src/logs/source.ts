/**
 * Docker's json-file log of one container, as one long text over all its files.
 *
 * Docker writes to `<id>-json.log`. When that is full, it closes it, removes the oldest file, renames .1 to .2 and
 * so on, the log itself to .1, and makes a new one (moby, daemon/logger/loggerutils/logfile.go). With max-file 1
 * it starts again in the same file instead. Files that are being read or still to be read are kept open, so what
 * Docker removes meanwhile is not lost.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { identityOf, sameFile, type FileIdentity } from "./identity.js";

export interface SourcePosition extends FileIdentity {
  offset: number;
}

interface OpenFile extends FileIdentity {
  fd: number;
}

/** Text that was lost, or may have been. */
export interface Gap {
  detail: string;
  /** The position is at a file's beginning now, and has nothing to do with what was read before. */
  restarted: boolean;
}

const startedAgain: Gap = { detail: "Docker has started again in the same file", restarted: true };

/** More are not kept open: what Docker removes would fill the disk. */
const longestChain = 32;

export class Source {
  /** Docker's current file. */
  readonly #path: string;
  /** From the file being read to the newest one. */
  #chain: OpenFile[] = [];
  #offset = 0;
  /** How long the newest file was at the last look. */
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The first byte that is not consumed; null before there is any file. */
  get position(): SourcePosition | null {
    const file = this.#chain[0];
    return file ? { ino: file.ino, birth: file.birth, offset: this.#offset } : null;
  }

  /** True when Docker has gone on to another file, so that this one is complete. */
  get complete(): boolean {
    return this.#chain.length > 1;
  }

  /** True when there was nothing behind the position at the last look. */
  get exhausted(): boolean {
    return !this.complete && this.#offset >= this.#size;
  }

  /** What is behind the position now, in all files that were seen; one stat for each. */
  get behindBytes(): number {
    const sizes = this.#chain.map(({ fd }) => fstatSync(fd).size);
    // Docker may have started again in the same file.
    return Math.max(0, sizes.reduce((sum, size) => sum + size, 0) - this.#offset);
  }

  /** Starts at `position`, or with the oldest file there is. */
  open(position: SourcePosition | null): Gap | undefined {
    this.close();
    const siblings = this.#siblings();
    const found = position ? siblings.findIndex((file) => sameFile(file, position)) : -1;
    this.#keep(siblings, found < 0 ? 0 : found);
    this.#offset = 0;
    if (!position) return undefined;
    if (found < 0) return { detail: "Docker has removed the file that was being read", restarted: true };
    if (fstatSync(this.#chain[0]!.fd).size < position.offset) return startedAgain;
    this.#offset = position.offset;
    return undefined;
  }

  /** Notices what Docker has done with its files; one stat unless it has rotated them. */
  look(): Gap | undefined {
    const stats = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    const newest = this.#chain.at(-1);
    if (!stats) return undefined;
    this.#size = Number(stats.size);
    if (newest && sameFile(newest, identityOf(stats))) {
      if (this.complete || this.#size >= this.#offset) return undefined;
      this.#offset = 0;
      return startedAgain;
    }
    if (this.#chain.length >= longestChain) return undefined;
    const siblings = this.#siblings();
    const known = newest ? siblings.findIndex((file) => sameFile(file, newest)) : -1;
    this.#keep(siblings, known + 1);
    const missed = { detail: "Docker has removed files before they were seen", restarted: false };
    return newest && known < 0 ? missed : undefined;
  }

  /** Reads from the position on, without moving it. Zero at the end of the current file. */
  read(buffer: Buffer): number {
    const file = this.#chain[0];
    return file ? readSync(file.fd, buffer, 0, buffer.length, this.#offset) : 0;
  }

  consume(bytes: number): void {
    this.#offset += bytes;
  }

  /** Goes on to the next file. */
  advance(): void {
    const file = this.#chain.shift();
    if (file) closeSync(file.fd);
    this.#offset = 0;
  }

  /** True when a look would find something; one stat. */
  changed(): boolean {
    const stats = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    const newest = this.#chain.at(-1);
    if (!stats) return false;
    return !newest || !sameFile(newest, identityOf(stats)) || Number(stats.size) !== this.#size;
  }

  close(): void {
    for (const { fd } of this.#chain) closeSync(fd);
    this.#chain = [];
  }

  /** Of these files, oldest first, those from `first` on become the end of the chain; the others are closed. */
  #keep(files: OpenFile[], first: number): void {
    const kept = files.slice(first).slice(0, longestChain - this.#chain.length);
    for (const file of files) if (!kept.includes(file)) closeSync(file.fd);
    this.#chain.push(...kept);
    const newest = this.#chain.at(-1);
    if (newest) this.#size = Number(fstatSync(newest.fd, { bigint: true }).size);
  }

  /**
   * All of Docker's files, opened, oldest first. Docker may be renaming them: files move to higher numbers only,
   * so going up none is missed, and one that moves meanwhile is seen twice.
   */
  #siblings(): OpenFile[] {
    const files: OpenFile[] = [];
    const highest = this.#highestNumber();
    try {
      for (let number = 0; number <= highest + 1; number += 1) {
        const file = openIfThere(number === 0 ? this.#path : `${this.#path}.${number}`);
        if (!file) continue;
        if (files.some((known) => sameFile(known, file))) closeSync(file.fd);
        else files.push(file);
      }
    } catch (error) {
      for (const { fd } of files) closeSync(fd);
      throw error;
    }
    return files.reverse();
  }

  #highestNumber(): number {
    const prefix = `${basename(this.#path)}.`;
    const numbers = namesIn(dirname(this.#path))
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((rest) => /^[1-9]\d{0,3}$/.test(rest));
    return Math.max(0, ...numbers.map(Number));
  }
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/** The names in a folder; none when there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function openIfThere(path: string): OpenFile | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  return { fd, ...identityOf(fstatSync(fd, { bigint: true })) };
}
