/** ImageService, one entry per RPC: parse the request, call the domain, shape the reply. */
import type { ImageServiceDefinition } from "../generated/runtime/v1/ImageService.js";
import type { ImageInspect } from "../docker/engine.js";
import type { Images } from "../images/images.js";
import type { Filesystems } from "../stats/filesystems.js";
import type { Service } from "./context.js";
import { inParts } from "./in-parts.js";
import { requiredImage } from "./required.js";

export type ImageService = Service<ImageServiceDefinition, "StreamImages", never>;

export const imageService = (images: Images, filesystems: Filesystems): ImageService => ({
  ListImages: async ({ filter }, { signal }) => ({
    images: await images.list(filter?.image?.image ?? "", signal),
  }),

  async *StreamImages({ filter }, { signal }) {
    const found = await images.list(filter?.image?.image ?? "", signal);
    for (const part of inParts(found)) yield { images: part };
  },

  ImageStatus: async ({ image, verbose }, { signal }) => {
    const found = await images.status(requiredImage(image, "image"), signal);
    return { image: found?.image ?? null, info: found && verbose ? verboseInfo(found.inspect) : {} };
  },

  PullImage: async ({ image, auth }, { signal }) => ({
    imageRef: await images.pull(requiredImage(image, "image"), auth, signal),
  }),

  RemoveImage: async ({ image }) => {
    await images.remove(requiredImage(image, "image"));
    return {};
  },

  ImageFsInfo: async (_, { signal }) => await filesystems.usage(signal),
});

const verboseInfo = (inspect: ImageInspect): Record<string, string> => ({
  info: JSON.stringify({
    id: inspect.Id,
    user: inspect.Config?.User ?? "",
    labels: inspect.Config?.Labels ?? {},
  }),
});
