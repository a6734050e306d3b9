import type { Clock } from "../clock.js";
import type { Engine, ImageInspect } from "../docker/engine.js";
import { CriError, isKind } from "../errors.js";
import type { AuthConfig__Output } from "../generated/runtime/v1/AuthConfig.js";
import type { Image } from "../generated/runtime/v1/Image.js";
import { mountsLabel } from "../kube/labels.js";
import { fromMountsLabel } from "../kube/mount-records.js";
import { mapLimited } from "../waiting.js";
import { toRegistryAuth } from "./auth.js";
import { toImage, toLayers } from "./from-docker.js";
import { LayersSize, type LayersSizeAnswer } from "./layers-size.js";
import { dockerReference, parsePullSource, registryOf } from "./reference.js";

export interface ImagesDependencies {
  engine: Pick<
    Engine,
    "listImages" | "inspectImage" | "pullImage" | "removeImage" | "listContainers" | "diskUsage"
  >;
  clock: Clock;
  /** --pod-infra-container-image, reported as pinned */
  sandboxImage: string;
  /** Milliseconds that a pull may go without progress. */
  progressDeadline: number;
}

/** A list asks for every image that it sees for the first time. */
const concurrentInspects = 16;

/** What a container's making needs to know of its image. */
export interface ImageFacts {
  id: string;
  labels: Readonly<Record<string, string>>;
  /** "", a name or a number, with or without ":group". */
  user: string;
  /** Where its containers get a volume each. */
  volumes: string[];
}

export class Images {
  /** The User of an image, by id: an image's content never changes. */
  readonly #users = new Map<string, string>();
  /** The folders of its layers, likewise. */
  readonly #folders = new Map<string, string[]>();
  /** Looks at images by any reference, until Docker tells that something has changed. */
  #known = new Map<string, Promise<ImageInspect | undefined>>();
  readonly #layersSize: LayersSize;

  constructor(private readonly deps: ImagesDependencies) {
    this.#layersSize = new LayersSize(deps.engine, deps.clock);
  }

  /** All images, or the one that `reference` names. */
  async list(reference: string, signal: AbortSignal): Promise<Image[]> {
    if (reference !== "") {
      const image = await this.status(reference, signal);
      return image ? [image.image] : [];
    }
    const { engine, sandboxImage } = this.deps;
    const summaries = await engine.listImages(signal);
    const ids = new Set(summaries.map(({ Id }) => Id));
    for (const id of this.#users.keys()) if (!ids.has(id)) this.#users.delete(id);
    const images = await mapLimited(summaries, concurrentInspects, async (summary) => {
      const user = await this.#userOf(summary.Id, signal);
      return user === undefined ? undefined : toImage(summary, user, sandboxImage);
    });
    return images.filter((image) => image !== undefined);
  }

  /** CRI: an image that is not there is no error, but an empty answer. */
  async status(
    reference: string,
    signal?: AbortSignal,
  ): Promise<{ image: Image; inspect: ImageInspect } | undefined> {
    const inspect = await this.inspect(reference, signal);
    return (
      inspect && { image: toImage(inspect, inspect.Config?.User ?? "", this.deps.sandboxImage), inspect }
    );
  }

  /** By any reference; undefined when it is not there. */
  async inspect(reference: string, signal?: AbortSignal): Promise<ImageInspect | undefined> {
    try {
      return await this.deps.engine.inspectImage(dockerReference(reference), signal);
    } catch (error) {
      // Docker answers 400 to what cannot be a reference: there is no such image.
      if (isKind(error, "notFound") || isKind(error, "invalid")) return undefined;
      throw error;
    }
  }

  /**
   * An image as it was when images changed last; undefined when it is not there. Unlike `inspect` this is for whoever
   * asks often, and may be told old news for the moment that Docker's event takes.
   */
  known(reference: string): Promise<ImageInspect | undefined> {
    const known = this.#known;
    const before = known.get(reference);
    if (before) return before;
    const looking = this.inspect(reference);
    known.set(reference, looking);
    looking.catch(() => known.delete(reference));
    return looking;
  }

  /** To be called when an image has come, gone or got other names, and when Docker was away. */
  changed(): void {
    this.#known = new Map();
  }

  /** @returns the image's id */
  async pull(reference: string, auth: AuthConfig__Output | null, signal: AbortSignal): Promise<string> {
    const { engine, clock, progressDeadline } = this.deps;
    const source = parsePullSource(reference);
    const credentials = toRegistryAuth(auth, registryOf(source.repository));

    const stuck = new AbortController();
    const idle = new AbortController();
    let lastProgress = clock.now();
    const watch = async (): Promise<void> => {
      for (;;) {
        const left = progressDeadline - Number((clock.now() - lastProgress) / 1_000_000n);
        if (left <= 0) break;
        await clock.sleep(left, idle.signal);
      }
      const seconds = progressDeadline / 1000;
      stuck.abort(
        new CriError(
          "deadline",
          `pull of ${reference} made no progress for ${seconds} s (--image-pull-progress-deadline)`,
        ),
      );
    };
    const watching = watch().catch(() => undefined);
    try {
      for await (const _ of engine.pullImage(source, credentials, AbortSignal.any([signal, stuck.signal]))) {
        lastProgress = clock.now();
      }
    } finally {
      idle.abort();
      await watching;
      this.changed();
    }
    const image = await this.inspect(reference, signal);
    if (!image)
      throw new CriError("internal", `image ${reference} was pulled, but the Docker Engine does not know it`);
    return image.Id;
  }

  /**
   * What is known of an image that is here.
   * @throws CriError notFound
   */
  async get(reference: string): Promise<ImageFacts> {
    // What is not there may have been pulled by somebody else just now.
    const image = (await this.known(reference)) ?? (await this.inspect(reference));
    if (!image) throw new CriError("notFound", `image ${reference} is not here; it must be pulled first`);
    const { Labels, User = "", Volumes } = image.Config ?? {};
    return { id: image.Id, labels: Labels ?? {}, user: User, volumes: Object.keys(Volumes ?? {}) };
  }

  /** The same, pulled when it is not here. */
  async ensure(reference: string, signal: AbortSignal): Promise<ImageFacts> {
    try {
      return await this.get(reference);
    } catch (error) {
      if (!isKind(error, "notFound")) throw error;
      return await this.get(await this.pull(reference, null, signal));
    }
  }

  /**
   * The folders of an image's layers, the topmost first.
   * @throws CriError notFound; unimplemented where Docker keeps it otherwise
   */
  async layers(id: string): Promise<string[]> {
    return toLayers(await this.deps.engine.inspectImage(id));
  }

  /**
   * Removes the image that `reference` names, under all its names; not there is success. An image that a
   * container uses is refused before anything is untagged.
   */
  async remove(reference: string): Promise<void> {
    const { engine } = this.deps;
    const image = await this.inspect(reference);
    if (!image) return;
    const [made, mounting] = await Promise.all([
      engine.listContainers({ ancestor: [image.Id] }),
      engine.listContainers({ label: [mountsLabel] }),
    ]);
    const users = [
      ...made.filter(({ ImageID }) => ImageID === image.Id),
      ...mounting.filter(({ ImageID, Labels }) => ImageID !== image.Id && mountsImage(Labels, image.Id)),
    ];
    if (users.length > 0) {
      const names = users.map(({ Id, Names }) => Names[0]?.replace(/^\//, "") ?? Id).join(", ");
      throw new CriError("failedPrecondition", `image ${reference} is in use by ${names}`);
    }
    // Forced only because Docker else refuses an id with several names; nothing uses the image.
    try {
      await engine.removeImage(image.Id, { force: true });
    } catch (error) {
      if (!isKind(error, "notFound")) throw error;
    } finally {
      this.changed();
    }
  }

  /** Bytes of all layers, shared ones once; of a moment ago where the engine is slow to tell. */
  layersSize(signal: AbortSignal): Promise<LayersSizeAnswer> {
    return this.#layersSize.get(signal);
  }

  /** The folders of all images' layers, shared ones once; undefined where Docker keeps them otherwise. */
  async layerFolders(): Promise<ReadonlySet<string> | undefined> {
    const summaries = await this.deps.engine.listImages();
    const ids = new Set(summaries.map(({ Id }) => Id));
    for (const id of this.#folders.keys()) if (!ids.has(id)) this.#folders.delete(id);
    for (const id of ids) {
      const inspect = this.#folders.has(id) ? undefined : await this.inspect(id);
      if (!inspect) continue;
      if (inspect.GraphDriver?.Name !== "overlay2") return undefined;
      this.#folders.set(id, toLayers(inspect));
    }
    return new Set([...this.#folders.values()].flat());
  }

  /** Undefined for an image that has just been removed. */
  async #userOf(id: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#users.get(id);
    if (known !== undefined) return known;
    const image = await this.inspect(id, signal);
    if (!image) return undefined;
    const user = image.Config?.User ?? "";
    this.#users.set(id, user);
    return user;
  }
}

/** Docker knows nothing of it where the mount is ours. */
const mountsImage = (labels: Record<string, string>, id: string): boolean =>
  fromMountsLabel(labels).some(({ image }) => image?.id === id);
