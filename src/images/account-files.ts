import type { ContainerInspect, ContainerPath, Engine } from "../docker/engine.js";
import { CriError, isKind, messageOf } from "../errors.js";
import { imageFilesType, ownerLabel, typeLabel } from "../kube/labels.js";
import type { Log } from "../log.js";
import type { ImageFacts } from "./images.js";

export interface AccountFilesDependencies {
  engine: Pick<
    Engine,
    "createContainer" | "readPath" | "inspectContainer" | "removeContainer" | "listContainers"
  >;
  /** What distinguishes this server from others on the same engine: its root directory. */
  owner: string;
  log: Log;
}

/** Texts of an image's /etc/passwd and /etc/group, empty where it has none. */
export interface AccountTexts {
  passwd: string;
  group: string;
}

/** A file of more is an error. */
const maxBytes = 1024 * 1024;
/** Characters of all texts that are kept; those of the image that is there longest go first. */
const maxKept = 8 * 1024 * 1024;

/**
 * The users and groups of images. Docker shows files of containers only, so one is created of the image, never
 * started, and removed at once; an image's content never changes, so it is asked once.
 */
export class AccountFiles {
  /** By image id, in the order in which they came. */
  readonly #known = new Map<string, AccountTexts>();
  readonly #reading = new Map<string, Promise<AccountTexts>>();
  readonly #inUse = new Set<string>();
  #sweep: Promise<void> = Promise.resolve();

  constructor(private readonly deps: AccountFilesDependencies) {}

  /** @throws CriError failedPrecondition, naming the image, when they cannot be used */
  async of(image: ImageFacts): Promise<AccountTexts> {
    const known = this.#known.get(image.id);
    if (known) return known;
    const reading = this.#reading.get(image.id) ?? this.#read(image);
    this.#reading.set(image.id, reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(image.id);
    }
  }

  /** To be called when the engine is there (again): what a crash has left behind is removed. Never rejects. */
  removeLeftovers(): Promise<void> {
    this.#sweep = this.#removeLeftovers().catch((error: unknown) =>
      this.deps.log.warn("leftover containers could not be removed", { error }),
    );
    return this.#sweep;
  }

  async #read(image: ImageFacts): Promise<AccountTexts> {
    await this.#sweep;
    const { engine, owner, log } = this.deps;
    const { id } = await engine.createContainer(toReadable(image, owner));
    this.#inUse.add(id);
    try {
      const texts = {
        passwd: await this.#text(id, image, "/etc/passwd"),
        group: await this.#text(id, image, "/etc/group"),
      };
      this.#keep(image.id, texts);
      return texts;
    } finally {
      await engine
        .removeContainer(id, { force: true })
        .catch((error: unknown) => log.warn("a container is left until the next start", { id, error }));
      this.#inUse.delete(id);
    }
  }

  async #text(container: string, image: ImageFacts, path: string): Promise<string> {
    const found = await this.#path(container, path);
    const end = found?.kind === "link" ? await this.#path(container, found.target) : found;
    if (!end) return "";
    if (end.kind === "file") return end.content.toString("utf8");
    const what = end.kind === "link" ? "a link without an end" : `a ${end.type}`;
    throw new CriError("failedPrecondition", `${path} of image ${image.id} is no file, but ${what}`);
  }

  /** undefined where there is nothing. */
  async #path(container: string, path: string): Promise<ContainerPath | undefined> {
    const { engine } = this.deps;
    try {
      return await engine.readPath(container, path, maxBytes);
    } catch (error) {
      if (isKind(error, "exhausted")) {
        throw new CriError("failedPrecondition", `the image's accounts: ${messageOf(error)}`, {
          cause: error,
        });
      }
      if (!isKind(error, "notFound")) throw error;
      // Or is it the container that is not there? This says so.
      await engine.inspectContainer(container).catch(vanished);
      return undefined;
    }
  }

  #keep(id: string, texts: AccountTexts): void {
    this.#known.set(id, texts);
    let kept = [...this.#known.values()].reduce(
      (sum, { passwd, group }) => sum + passwd.length + group.length,
      0,
    );
    for (const [oldest, { passwd, group }] of this.#known) {
      if (kept <= maxKept) return;
      this.#known.delete(oldest);
      kept -= passwd.length + group.length;
    }
  }

  async #removeLeftovers(): Promise<void> {
    const { engine, owner, log } = this.deps;
    const label = [`${typeLabel}=${imageFilesType}`, `${ownerLabel}=${owner}`];
    for (const { Id: id } of await engine.listContainers({ label })) {
      if (this.#inUse.has(id)) continue;
      await engine.removeContainer(id, { force: true });
      log.info("removed a container that was left behind", { id });
    }
  }
}

const vanished = (error: unknown): ContainerInspect => {
  if (!isKind(error, "notFound")) throw error;
  throw new CriError("unavailable", "the container whose files were being read was removed by somebody", {
    cause: error,
  });
};

function toReadable(image: ImageFacts, owner: string): Parameters<Engine["createContainer"]>[0] {
  return {
    Image: image.id,
    // Docker creates no container without a command; this one is never run.
    Entrypoint: ["/never-started"],
    Labels: { [typeLabel]: imageFilesType, [ownerLabel]: owner },
    HostConfig: {
      NetworkMode: "none",
      LogConfig: { Type: "none", Config: {} },
      // In the place of volumes, which Docker would fill with the image's files.
      Mounts: image.volumes.map((Target) => ({ Type: "tmpfs", Source: "", Target })),
    },
  };
}
