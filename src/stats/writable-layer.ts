/**
 * What containers wrote on top of their images: bytes and inodes, as du(1) counts them. Nothing in the kernel knows
 * these numbers, so the files are counted, in the background, a tenth of the time at most; an answer has the last
 * count, and none for a container that has not been counted yet. Only the overlay2 driver keeps such files apart.
 */
import type { Clock } from "../clock.js";
import type { ContainerInspect } from "../docker/engine.js";
import type { FilesystemUsage } from "../generated/runtime/v1/FilesystemUsage.js";
import type { Inventory } from "../inventory/inventory.js";
import type { Counter } from "./counting.js";
import { countFiles } from "./count-files.js";

export interface WritableLayersDependencies {
  inventory: Pick<Inventory, "list">;
  host: { facts(): Promise<{ rootDirectory: string }> };
  clock: Clock;
}

/** So many pieces of work are done at once for somebody who waits: some 15 folders, or 500 files in one. */
const piecesAtOnce = 32;

export class WritableLayers implements Counter {
  readonly #counted = new Map<string, FilesystemUsage>();
  /** Those that were too much to be counted at once. */
  readonly #large = new Set<string>();

  constructor(private readonly deps: WritableLayersDependencies) {}

  /** Undefined while it has not been counted. */
  get(id: string): FilesystemUsage | undefined {
    return this.#counted.get(id);
  }

  /**
   * The same, and for one that has not been counted yet the count if it is quickly made, as it is of a container that
   * was just started. Else it is undefined still.
   */
  async getSoon(container: ContainerInspect): Promise<FilesystemUsage | undefined> {
    const known = this.#counted.get(container.Id);
    if (known || this.#large.has(container.Id)) return known;
    let pieces = 0;
    const stop = () => {
      if (++pieces > piecesAtOnce) throw tooMuch;
    };
    await this.#count(container, stop).catch((error: unknown) => {
      if (error !== tooMuch) throw error;
      this.#large.add(container.Id);
    });
    return this.#counted.get(container.Id);
  }

  async round(rest: () => Promise<void>): Promise<void> {
    const containers = await this.deps.inventory.list("container");
    const ids = new Set(containers.map(({ Id }) => Id));
    for (const id of this.#counted.keys()) if (!ids.has(id)) this.#counted.delete(id);
    for (const id of this.#large) if (!ids.has(id)) this.#large.delete(id);
    for (const container of containers) await this.#count(container, rest);
  }

  async #count(container: ContainerInspect, rest: () => Promise<void> | void): Promise<void> {
    const directory = upperDirectory(container);
    if (directory === undefined) return;
    const { rootDirectory } = await this.deps.host.facts();
    const timestamp = this.deps.clock.now().toString();
    const { bytes, inodes } = await countFiles(directory, rest);
    // It has been removed.
    if (inodes === 0) this.#counted.delete(container.Id);
    else {
      this.#counted.set(container.Id, {
        timestamp,
        fsId: { mountpoint: rootDirectory },
        usedBytes: { value: bytes.toString() },
        inodesUsed: { value: inodes.toString() },
      });
    }
  }
}

const tooMuch = new Error("more files than can be counted at once");

const upperDirectory = ({ GraphDriver }: ContainerInspect): string | undefined =>
  GraphDriver?.Name === "overlay2" ? GraphDriver.Data?.["UpperDir"] : undefined;
