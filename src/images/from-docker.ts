/** Images as CRI reports them (pure). */
import type { ImageInspect } from "../docker/engine.js";
import type { Image } from "../generated/runtime/v1/Image.js";
import { normalize } from "./reference.js";

type ImageFacts = Pick<ImageInspect, "Id" | "RepoTags" | "RepoDigests" | "Size">;

/**
 * @param user the image's User: "", a name or a number, with or without ":group"
 * @param sandboxImage the reference that must not be garbage-collected
 */
export const toImage = (image: ImageFacts, user: string, sandboxImage: string): Image => {
  const repoTags = present(image.RepoTags);
  const repoDigests = present(image.RepoDigests);
  return {
    id: image.Id,
    repoTags,
    repoDigests,
    size: image.Size,
    ...toUser(user),
    spec: { image: image.Id },
    pinned: [image.Id, ...repoTags, ...repoDigests].map(normalize).includes(normalize(sandboxImage)),
  };
};

/** A number is a uid; a name is for the container's own /etc/passwd to resolve. */
function toUser(user: string): Pick<Image, "uid" | "username"> {
  const name = user.split(":")[0] ?? "";
  return /^\d+$/.test(name) ? { uid: { value: name } } : { username: name };
}

/** Docker writes "<none>:<none>" for an image without a name. */
const present = (names: string[] | null): string[] =>
  (names ?? []).filter((name) => !name.startsWith("<none>"));
