/** ImageService, one entry per RPC: parse the request, call the domain, shape the reply. */
import type { ImageServiceDefinition } from "../generated/runtime/v1/ImageService.js";
import type { ImageInspect } from "../docker/engine.js";
import type { Images } from "../images/images.js";
import type { Service } from "./context.js";
import { inParts } from "./in-parts.js";
import { requiredImage } from "./required.js";

export type ImageService = Service<ImageServiceDefinition, "StreamImages", never>;

export const imageService = (images: Images): ImageService => ({
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

  // Docker keeps images and containers under one directory.
  ImageFsInfo: async (_, { signal }) => {
    const filesystem = await images.filesystem(signal);
    return { imageFilesystems: [filesystem], containerFilesystems: [filesystem] };
  },
});

const verboseInfo = (inspect: ImageInspect): Record<string, string> => ({
  info: JSON.stringify({
    id: inspect.Id,
    user: inspect.Config?.User ?? "",
    labels: inspect.Config?.Labels ?? {},
  }),
});
