/**
 * What containers wrote on top of their images: bytes and inodes, as du(1) counts them. Nothing in the kernel knows
 * these numbers, so the files are counted, in the background, a tenth of the time at most; an answer has the last
 * count, and none for a container that has not been counted yet. Only the overlay2 driver keeps such files apart.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.js";
import type { ContainerInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { FilesystemUsage } from "../generated/runtime/v1/FilesystemUsage.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Log } from "../log.js";
import { deferred } from "../waiting.js";

export interface WritableLayersDependencies {
  inventory: Pick<Inventory, "list">;
  host: { facts(): Promise<{ rootDirectory: string }> };
  clock: Clock;
  log: Log;
}

/** From the end of a round to the next; the kubelet itself counts volumes every minute. */
const roundMs = 60_000;
/** After so much work comes a rest of nine times its length. */
const workMs = 20;
const restFactor = 9;
const concurrentLooks = 16;
/** lstat(2)'s unit, whatever the filesystem's block size. */
const blockBytes = 512;

export class WritableLayers {
  readonly #counted = new Map<string, FilesystemUsage>();
  readonly #closing = new AbortController();
  /** Rejects at the end, which does not wait for a Docker Engine that does not answer. */
  readonly #closed = deferred();
  #loop: Promise<void> = Promise.resolve();

  constructor(private readonly deps: WritableLayersDependencies) {}

  start(): void {
    this.#loop = this.#run(this.#closing.signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#closed.reject(new CriError("unavailable", "the server is stopping"));
    await this.#loop;
  }

  /** Undefined while it has not been counted. */
  get(id: string): FilesystemUsage | undefined {
    return this.#counted.get(id);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.deps;
    while (!signal.aborted) {
      await this.#round(signal).catch((error: unknown) => {
        if (!signal.aborted) log.debug("writable layers could not be counted", { error });
      });
      await clock.sleep(roundMs, signal).catch(() => undefined);
    }
  }

  async #unlessClosed<T>(answer: Promise<T>): Promise<T> {
    await Promise.race([answer, this.#closed.promise]);
    return await answer;
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { inventory, host, clock } = this.deps;
    const layers = (await this.#unlessClosed(inventory.list("container"))).flatMap((container) => {
      const directory = upperDirectory(container);
      return directory === undefined ? [] : [{ id: container.Id, directory }];
    });
    const ids = new Set(layers.map(({ id }) => id));
    for (const id of this.#counted.keys()) if (!ids.has(id)) this.#counted.delete(id);
    if (layers.length === 0) return;
    const { rootDirectory } = await this.#unlessClosed(host.facts());
    const rest = restsOf(clock, signal);
    for (const { id, directory } of layers) {
      const timestamp = clock.now().toString();
      const { bytes, inodes } = await count(directory, rest);
      // It has been removed.
      if (inodes === 0) this.#counted.delete(id);
      else {
        this.#counted.set(id, {
          timestamp,
          fsId: { mountpoint: rootDirectory },
          usedBytes: { value: bytes.toString() },
          inodesUsed: { value: inodes.toString() },
        });
      }
    }
  }
}

const upperDirectory = ({ GraphDriver }: ContainerInspect): string | undefined =>
  GraphDriver?.Name === "overlay2" ? GraphDriver.Data?.["UpperDir"] : undefined;

/** To be called after each small piece of work; rejects when the signal fires. */
function restsOf(clock: Clock, signal: AbortSignal): () => Promise<void> {
  let since = clock.now();
  return async () => {
    signal.throwIfAborted();
    const worked = Number((clock.now() - since) / 1_000_000n);
    if (worked < workMs) return;
    await clock.sleep(worked * restFactor, signal);
    since = clock.now();
  };
}

/** Of a file with several names each is found, and one counts. What vanishes meanwhile does not count. */
async function count(root: string, rest: () => Promise<void>): Promise<{ bytes: number; inodes: number }> {
  const seen = new Set<string>();
  const waiting = [root];
  let [bytes, inodes] = [0, 0];
  const look = async (path: string, isRoot = false): Promise<void> => {
    const found = await lstat(path).catch(() => undefined);
    if (!found) return;
    if (found.nlink > 1 && !found.isDirectory()) {
      const key = `${found.dev}:${found.ino}`;
      if (seen.has(key)) return;
      seen.add(key);
    }
    bytes += found.blocks * blockBytes;
    inodes++;
    if (found.isDirectory() && !isRoot) waiting.push(path);
  };
  await look(root, true);
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const parent = directory;
    const names = await readdir(parent).catch(() => []);
    await rest();
    for (let index = 0; index < names.length; index += concurrentLooks) {
      const some = names.slice(index, index + concurrentLooks);
      await Promise.all(some.map((name) => look(join(parent, name))));
      await rest();
    }
  }
  return { bytes, inodes };
}
