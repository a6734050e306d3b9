/**
 * Counts the files below a folder: bytes and inodes, as du(1) counts them.
 *
 * What is below may be changed meanwhile by whoever wrote it. A folder is entered only where it is found still, by its
 * own name and without following a symbolic link; what was moved or has gone does not count.
 */
import { constants } from "node:fs";
import { lstat, open, readdir, readlink, realpath } from "node:fs/promises";
import type { Clock } from "../clock.js";

/** After so much work comes a rest of nine times its length. */
const workMs = 20;
const restFactor = 9;
const concurrentLooks = 16;
/** lstat(2)'s unit, whatever the filesystem's block size. */
const blockBytes = 512;

/**
 * To be called after each small piece of work; rejects when the signal fires. Time before the first call is not work:
 * it went by in waiting for what there is to do.
 */
export function restsOf(clock: Clock, signal: AbortSignal): () => Promise<void> {
  let since: bigint | undefined;
  return async () => {
    signal.throwIfAborted();
    const now = clock.now();
    since ??= now;
    const worked = Number((now - since) / 1_000_000n);
    if (worked < workMs) return;
    await clock.sleep(worked * restFactor, signal);
    since = clock.now();
  };
}

export interface Counted {
  bytes: number;
  inodes: number;
}

/**
 * Of a file with several names each is found, and one counts.
 * @param rest called after each small piece of work; what it throws ends the count
 * @returns no inodes where there is no such folder
 */
export async function countFiles(root: string, rest: () => Promise<void> | void): Promise<Counted> {
  const seen = new Set<string>();
  const counted: Counted = { bytes: 0, inodes: 0 };
  // Names are bytes: they need not be text.
  const waiting: Buffer[] = [];
  const look = async (path: Buffer, entry: Buffer): Promise<void> => {
    const found = await lstat(entry).catch(() => undefined);
    if (!found) return;
    if (found.nlink > 1 && !found.isDirectory()) {
      const key = `${found.dev}:${found.ino}`;
      if (seen.has(key)) return;
      seen.add(key);
    }
    counted.bytes += found.blocks * blockBytes;
    counted.inodes++;
    if (found.isDirectory()) waiting.push(path);
  };
  const top = await realpath(root, "buffer").catch(() => undefined);
  if (!top) return counted;
  await look(top, top);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const parent = path;
    await inFolder(parent, async (folder) => {
      const names = await readdir(folder, "buffer").catch(() => []);
      await rest();
      for (let index = 0; index < names.length; index += concurrentLooks) {
        const some = names.slice(index, index + concurrentLooks);
        await Promise.all(some.map((name) => look(joined(parent, name), joined(Buffer.from(folder), name))));
        await rest();
      }
    });
  }
  return counted;
}

const slash = Buffer.from("/");
const joined = (folder: Buffer, name: Buffer): Buffer => Buffer.concat([folder, slash, name]);

/** @param use gets a path to the folder itself, whatever is at its old place by then */
async function inFolder(path: Buffer, use: (folder: string) => Promise<void>): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const handle = await open(path, flags).catch(() => undefined);
  if (!handle) return;
  try {
    const folder = `/proc/self/fd/${handle.fd}`;
    // Elsewhere: a folder on the way has been replaced by a link.
    if (path.equals(await readlink(folder, "buffer"))) await use(folder);
  } finally {
    await handle.close();
  }
}
