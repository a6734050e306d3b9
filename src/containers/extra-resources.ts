/** What containers were given beyond what Docker can hold, a small file each; it goes with the container. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.js";
import type { CgroupLimits } from "../linux/cgroup-files.js";
import type { Log } from "../log.js";
import { replaceFile } from "../replace-file.js";

export interface ExtraResources extends CgroupLimits {
  /** Where it was changed after the container was made. */
  oomScoreAdj: number | undefined;
}

const version = 1;
const suffix = ".json";

export class ExtraResourcesStore {
  readonly #known = new Map<string, ExtraResources>();

  constructor(
    private readonly directory: string,
    private readonly log: Log,
  ) {}

  /** Reads all there are; what is not understood is told in the log. */
  async load(): Promise<void> {
    for (const name of await this.#names()) {
      const path = join(this.directory, name);
      try {
        const read = JSON.parse(await readFile(path, "utf8")) as { version: number } & ExtraResources;
        if (read.version !== version) throw new Error(`version ${read.version} is unknown`);
        const { unified, hugepageLimits, oomScoreAdj } = read;
        this.#known.set(name.slice(0, -suffix.length), { unified, hugepageLimits, oomScoreAdj });
      } catch (error) {
        this.log.warn("a container's resources cannot be read", { path, error: messageOf(error) });
      }
    }
  }

  get(containerId: string): ExtraResources | undefined {
    return this.#known.get(containerId);
  }

  async save(containerId: string, extra: ExtraResources): Promise<void> {
    await replaceFile(this.#pathOf(containerId), JSON.stringify({ version, ...extra }));
    this.#known.set(containerId, extra);
  }

  /** The container is no more. Never rejects. */
  async gone(containerId: string): Promise<void> {
    if (!this.#known.delete(containerId)) return;
    const path = this.#pathOf(containerId);
    await rm(path, { force: true }).catch((error: unknown) => {
      this.log.warn("what was known of a container's resources could not be removed", { path, error });
    });
  }

  /** Forgets those that are not among these. Never rejects. */
  async keepOnly(containerIds: ReadonlySet<string>): Promise<void> {
    for (const id of [...this.#known.keys()].filter((id) => !containerIds.has(id))) await this.gone(id);
  }

  #pathOf(containerId: string): string {
    return join(this.directory, `${containerId}${suffix}`);
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    // A write that was broken off begins with a dot.
    return names.filter((name) => name.endsWith(suffix) && !name.startsWith("."));
  }
}
