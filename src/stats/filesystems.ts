/** What images and containers use of the filesystem that Docker's data is on, as the kubelet's evictions ask for it. */
import type { ContainerInspect } from "../docker/engine.js";
import type { FilesystemUsage } from "../generated/runtime/v1/FilesystemUsage.js";
import type { ImageFsInfoResponse } from "../generated/runtime/v1/ImageFsInfoResponse.js";
import type { Inventory } from "../inventory/inventory.js";
import type { ImageLayers } from "./image-layers.js";
import type { WritableLayers } from "./writable-layer.js";

export interface FilesystemsDependencies {
  host: { facts(): Promise<{ rootDirectory: string }> };
  images: { layersSize(signal: AbortSignal): Promise<{ timestamp: string; bytes: number }> };
  imageLayers: Pick<ImageLayers, "inodes">;
  inventory: Pick<Inventory, "list">;
  layers: Pick<WritableLayers, "get">;
}

export class Filesystems {
  constructor(private readonly deps: FilesystemsDependencies) {}

  /**
   * Docker keeps images and containers under one directory, which the kubelet can look at itself: to it they are one
   * filesystem, whose two uses are told apart.
   */
  async usage(signal: AbortSignal): Promise<ImageFsInfoResponse> {
    const { host, images, imageLayers, inventory, layers } = this.deps;
    const [{ rootDirectory: mountpoint }, { timestamp, bytes }, containers] = await Promise.all([
      host.facts(),
      images.layersSize(signal),
      inventory.list("container"),
    ]);
    const { inodes } = imageLayers;
    const ofImages = {
      timestamp,
      fsId: { mountpoint },
      usedBytes: { value: String(bytes) },
      inodesUsed: inodes === undefined ? null : { value: String(inodes) },
    };
    const counted = containers.map(({ Id }: ContainerInspect) => layers.get(Id));
    const ofContainers = { timestamp, fsId: { mountpoint }, ...sumOf(counted) };
    return { imageFilesystems: [ofImages], containerFilesystems: [ofContainers] };
  }
}

/** What has not been counted yet, as the files of a container that was just made, is missing. */
function sumOf(counted: (FilesystemUsage | undefined)[]): Pick<FilesystemUsage, "usedBytes" | "inodesUsed"> {
  const sum = (pick: (usage: FilesystemUsage) => FilesystemUsage["usedBytes"]) => {
    const known = counted.filter((usage) => usage !== undefined);
    return known.reduce((total, usage) => total + BigInt(String(pick(usage)?.value ?? 0)), 0n);
  };
  return {
    usedBytes: { value: sum(({ usedBytes }) => usedBytes).toString() },
    inodesUsed: { value: sum(({ inodesUsed }) => inodesUsed).toString() },
  };
}
