/** The inodes of images, counted in the background: each layer once, for a layer never changes. */
import type { Counter } from "./counting.js";
import { countFiles } from "./count-files.js";

export interface ImageLayersDependencies {
  /** Their folders, shared ones once; undefined where Docker keeps them otherwise than in folders of their own. */
  images: { layerFolders(): Promise<ReadonlySet<string> | undefined> };
}

export class ImageLayers implements Counter {
  readonly #inodes = new Map<string, number>();
  #total: number | undefined;

  constructor(private readonly deps: ImageLayersDependencies) {}

  /** Of the images that there were at the last round; undefined until all of them have been counted. */
  get inodes(): number | undefined {
    return this.#total;
  }

  async round(rest: () => Promise<void>): Promise<void> {
    const folders = await this.deps.images.layerFolders();
    if (!folders) {
      this.#total = undefined;
      return;
    }
    for (const folder of this.#inodes.keys()) if (!folders.has(folder)) this.#inodes.delete(folder);
    for (const folder of folders) {
      if (this.#inodes.has(folder)) continue;
      const { inodes } = await countFiles(folder, rest);
      // One that has just been removed has none, and is not in the next round.
      if (inodes > 0) this.#inodes.set(folder, inodes);
    }
    this.#total = [...this.#inodes.values()].reduce((sum, inodes) => sum + inodes, 0);
  }
}
