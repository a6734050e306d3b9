/** The fake engine's images, and the registry that it pulls from. */
import { createHash } from "node:crypto";
import type {
  ContainerInspect,
  ContainerPath,
  ContainerSummary,
  ImageInspect,
  ImageSource,
  PullProgress,
  RegistryAuth,
} from "../../src/docker/engine.js";
import { fromDocker } from "../../src/docker/errors.js";
import { CriError } from "../../src/errors.js";
import type { FakeEvents } from "./fake-events.js";
import { refusal } from "./fake-refusal.js";

/** What an image is made of; references with the same content are names of one image. */
export interface Content {
  content?: string;
  user?: string;
  /** By absolute path; a text is a file, and all further links of a link have been followed. */
  files?: Record<string, string | Exclude<ContainerPath, { kind: "file" }>>;
}

/** How the registry answers a pull. */
export interface Published extends Content {
  progress?: PullProgress[];
  /** After the progress: nothing more comes until the pull is given up. */
  hangs?: boolean;
  /** After the progress. */
  error?: Error;
}

export interface Pull {
  reference: string;
  auth: RegistryAuth | undefined;
  signal: AbortSignal;
}

export class FakeImages {
  /** Every pull that was asked for. */
  readonly pulls: Pull[] = [];
  #waiting: ((pull: Pull) => void)[] = [];
  readonly #local = new Map<string, ImageInspect>();
  readonly #registry = new Map<string, Published>();
  readonly #files = new Map<string, NonNullable<Content["files"]>>();

  constructor(private readonly events: FakeEvents) {}

  clear(): void {
    this.pulls.length = 0;
    this.#local.clear();
    this.#registry.clear();
  }

  /** The next pull, when it has begun. */
  nextPull(): Promise<Pull> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Makes an image known locally; returns its id. */
  add(reference: string, { content = reference, user = "", files = {} }: Content = {}): string {
    const Id = `sha256:${hash(content)}`;
    this.#files.set(Id, files);
    const name = familiar(reference);
    for (const image of this.#local.values()) {
      image.RepoTags = (image.RepoTags ?? []).filter((tag) => tag !== name);
    }
    const image = this.#local.get(Id) ?? {
      Id,
      RepoTags: [],
      RepoDigests: [],
      Size: 1000 + content.length,
      Config: { User: user, Labels: null },
    };
    this.#local.set(Id, image);
    const digest = digestReference(name, content);
    if (!name.includes("@")) image.RepoTags?.push(name);
    if (!image.RepoDigests?.includes(digest)) image.RepoDigests?.push(digest);
    this.events.publish("image", "tag", Id, { name });
    return Id;
  }

  /** Gives a local image these labels. */
  label(id: string, Labels: Record<string, string>): void {
    const image = this.#local.get(id);
    if (image) image.Config = { ...image.Config, Labels };
  }

  /** Makes a reference pullable, by its digest too; returns the reference with the digest. */
  publish(reference: string, published: Published = {}): string {
    const content = { content: reference, ...published };
    const digest = digestReference(familiar(reference), content.content);
    this.#registry.set(familiar(reference), content).set(digest, content);
    return digest;
  }

  list(): ImageInspect[] {
    return structuredClone([...this.#local.values()]);
  }

  /** By id, id prefix, tag or digest. */
  find(reference: string): ImageInspect | undefined {
    if (/[A-Z\s!]/.test(reference.replace(/[:@].*$/, ""))) {
      throw refusal(400, `no such image: ${reference}: invalid reference format`);
    }
    const name = familiar(reference);
    const digits = reference.replace(/^sha256:/, "");
    const found = [...this.#local.values()].find(
      ({ Id, RepoTags, RepoDigests }) =>
        RepoTags?.includes(name) ||
        RepoDigests?.includes(name) ||
        (/^[0-9a-f]{4,}$/.test(digits) && Id.startsWith(`sha256:${digits}`)),
    );
    return structuredClone(found);
  }

  /** As a container of that image shows it. */
  readPath(id: string, path: string, maxBytes: number): ContainerPath {
    const found = this.#files.get(id)?.[path];
    if (found === undefined) throw refusal(404, `Could not find the file ${path} in container`);
    if (typeof found !== "string") return found;
    if (found.length > maxBytes)
      throw new CriError("exhausted", `${found.length} bytes are more than ${maxBytes}`);
    return { kind: "file", content: Buffer.from(found) };
  }

  inspect(reference: string): ImageInspect {
    const found = this.find(reference);
    if (!found) throw refusal(404, `no such image: ${reference}: No such image: ${reference}`);
    return found;
  }

  /** An id takes all names with it, a name only itself unless it is the last. */
  remove(
    reference: string,
    { force }: { force: boolean },
    users: ContainerSummary[],
    inspect: (id: string) => ContainerInspect,
  ): void {
    const { Id, RepoTags } = this.inspect(reference);
    const user = users[0];
    const running = users.find(({ Id: id }) => inspect(id).State.Running);
    const conflict = `conflict: unable to delete ${reference}`;
    if (running)
      throw refusal(409, `${conflict} (cannot be forced) - image is being used by running container`);
    if (user && !force) throw refusal(409, `${conflict} (must be forced) - container ${user.Id} is using it`);
    const others = (RepoTags ?? []).filter((tag) => tag !== familiar(reference));
    const byName = others.length !== RepoTags?.length;
    if (!byName && others.length > 1 && !force) {
      throw refusal(409, `${conflict} (must be forced) - image is referenced in multiple repositories`);
    }
    const image = this.#local.get(Id);
    if (byName && others.length > 0 && image) image.RepoTags = others;
    else this.#local.delete(Id);
    this.events.publish("image", byName && others.length > 0 ? "untag" : "delete", Id, { name: reference });
  }

  async *pull(
    { repository, tagOrDigest }: ImageSource,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<PullProgress> {
    const reference = `${repository}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`;
    const doing = `pull image ${reference}`;
    const pull = { reference, auth, signal };
    this.pulls.push(pull);
    for (const resolve of this.#waiting.splice(0)) resolve(pull);
    const published = this.#registry.get(familiar(reference));
    if (!published) {
      throw refusal(
        404,
        `pull access denied for ${repository}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
        doing,
      );
    }
    for (const step of published.progress ?? [{ status: "Pulling fs layer" }, { status: "Pull complete" }]) {
      if (signal.aborted) break;
      yield step;
    }
    if (published.hangs && !signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    if (signal.aborted) throw fromDocker(doing, signal.reason, signal);
    if (published.error) throw published.error;
    this.add(reference, published);
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

const digestReference = (name: string, content: string): string =>
  `${name.replace(/@.*$/, "").replace(/:[^/:]*$/, "")}@sha256:${hash(`manifest of ${content}`)}`;

/** As Docker writes names: without the default registry, with a tag. */
function familiar(reference: string): string {
  const name = reference.replace(/^(index\.)?docker\.io\/(library\/)?/, "");
  return name.includes("@") || /:[^/]*$/.test(name) ? name : `${name}:latest`;
}
