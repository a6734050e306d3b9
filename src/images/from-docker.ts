/** Images as CRI reports them (pure). */
import type { ImageInspect } from "../docker/engine.js";
import { CriError } from "../errors.js";
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

/**
 * The folders of an image's layers, the topmost first.
 * @throws CriError unimplemented where Docker keeps the image in another way
 */
export function toLayers({ Id, GraphDriver }: Pick<ImageInspect, "Id" | "GraphDriver">): string[] {
  if (GraphDriver?.Name !== "overlay2") {
    const driver = GraphDriver?.Name ?? "containerd's image store";
    throw new CriError(
      "unimplemented",
      `image ${Id} cannot be mounted: that needs the storage driver overlay2 or Docker 28 without mount_options, not ${driver}`,
    );
  }
  const { UpperDir, LowerDir } = GraphDriver.Data ?? {};
  if (!UpperDir) throw new CriError("failedPrecondition", `image ${Id} cannot be mounted: it has no layers`);
  return [UpperDir, ...(LowerDir ? LowerDir.split(":") : [])];
}
