/** The CRI log file of one container: whole lines, appended. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { lineFeed } from "./escapes.js";
import { identityOf, sameFile, type FileIdentity } from "./identity.js";

/** What an append has done. */
export interface Appended {
  /** How many of the bytes are in the file now. */
  bytes: number;
  /** Why not all of them are. */
  error?: NodeJS.ErrnoException;
}

/** As the kubelet's other runtimes make log files (containerd, internal/cri/io). */
const mode = 0o640;
const folderMode = 0o755;
const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

export class Destination {
  readonly identity: FileIdentity;
  readonly #fd: number;

  private constructor(
    fd: number,
    /** Whether this call has made the file. */
    readonly made: boolean,
  ) {
    this.#fd = fd;
    this.identity = identityOf(fstatSync(fd, { bigint: true }));
  }

  /** Opens the file at `path`, which is made with its folders when missing. */
  static atStart(path: string): Destination {
    mkdirSync(dirname(path), { recursive: true, mode: folderMode });
    // dockershim and cri-dockerd leave a link to Docker's own file there. What is appended must not end up in that.
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(path);
    return Destination.reopened(path);
  }

  /** CRI, ReopenContainerLog: when it fails there must be no new file, so no folders are made either. */
  static reopened(path: string): Destination {
    const made = makeFile(path);
    return made === undefined
      ? new Destination(openSync(path, O_RDWR | O_APPEND | O_NOFOLLOW), false)
      : new Destination(made, true);
  }

  /** The file of that identity among those whose names begin with the path's, as the kubelet's rotation makes them. */
  static renamed(path: string, identity: FileIdentity): Destination | undefined {
    const folder = dirname(path);
    for (const name of readdirSync(folder)) {
      const sibling = join(folder, name);
      if (!name.startsWith(basename(path)) || !isFile(sibling, identity)) continue;
      return new Destination(openSync(sibling, O_RDWR | O_APPEND | O_NOFOLLOW), false);
    }
    return undefined;
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Appends whole lines; what does not fit is cut off behind the last line that does. */
  append(lines: Buffer): Appended {
    let bytes = 0;
    try {
      while (bytes < lines.length) bytes += writeSync(this.#fd, lines, bytes);
      return { bytes };
    } catch (error) {
      return { bytes: bytes - this.#cutAfterLine(lines, bytes), error: error as NodeJS.ErrnoException };
    }
  }

  /** The bytes from `from` on; fewer than asked for at the end of the file. */
  read(from: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, length, from));
  }

  /** Cuts off a line that was not written to its end, and tells how long it was. */
  trim(): number {
    const size = this.size;
    const end = this.#lastLineFeed(size) + 1;
    if (end < size) ftruncateSync(this.#fd, end);
    return size - end;
  }

  /** The last line with its line feed; empty when there is none. Asks for a file that ends in whole lines. */
  lastLine(): Buffer {
    const size = this.size;
    const start = size === 0 ? 0 : this.#lastLineFeed(size - 1) + 1;
    return this.read(start, size - start);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The place of the last line feed before `before`; -1 without one. */
  #lastLineFeed(before: number): number {
    const step = 65_536;
    for (let end = before; end > 0; end -= step) {
      const start = Math.max(end - step, 0);
      const found = this.read(start, end - start).lastIndexOf(lineFeed);
      if (found >= 0) return start + found;
    }
    return -1;
  }

  /** @returns how many of the `written` bytes were taken back; none when even that fails */
  #cutAfterLine(lines: Buffer, written: number): number {
    const torn = written - (written === 0 ? 0 : lines.lastIndexOf(lineFeed, written - 1) + 1);
    if (torn === 0) return 0;
    try {
      ftruncateSync(this.#fd, this.size - torn);
      return torn;
    } catch {
      return 0;
    }
  }
}

/** Removes the file at `path` if it is that one. */
export function removeFile(path: string, identity: FileIdentity): void {
  if (isFile(path, identity)) rmSync(path, { force: true });
}

function isFile(path: string, identity: FileIdentity): boolean {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && sameFile(identityOf(stats), identity);
}

/** A new file of the right mode, whatever the umask is; undefined when there is one already. */
function makeFile(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw error;
  }
  try {
    fchmodSync(fd, mode);
  } catch (error) {
    closeSync(fd);
    rmSync(path, { force: true });
    throw error;
  }
  return fd;
}
