/**
 * Mounts that Docker's API cannot express: we make them, Docker binds them with all that is on them. A container that
 * runs has its own copy, so ours are there only while the container is being created, when Docker wants to see its
 * sources and the client an error, and while it is being started. Hence nothing is left to take back when it ends,
 * whoever ends it, a volume is free as soon as the container has left it, and a reboot is no matter. A container that
 * somebody starts past us finds no source, which is an error of Docker's.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CriError, messageOf } from "../errors.js";
import type { ImageVolume, MountRecord } from "../kube/mount-records.js";
import type { Log } from "../log.js";
import { mountLayers, resolveWithin } from "./image-root.js";
import { engineNamespace, type MountNamespace } from "./mount-namespace.js";
import { mountOf, treeAt, type MountEntry } from "./mount-table.js";
import { mergeOptions } from "./options.js";

export interface PreparedMountsDependencies {
  /** Below it a folder for each container, and in it a mount point for each mount. Without symbolic links. */
  directory: string;
  /** An image's layers as folders, the topmost first. */
  layers(imageId: string): Promise<string[]>;
  log: Log;
}

type Prepared = MountRecord & { prepared: string };
const isPrepared = (record: MountRecord): record is Prepared => record.prepared !== undefined;

export class PreparedMounts {
  /** What is under way, by folder. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(private readonly deps: PreparedMountsDependencies) {}

  /** Where a container that is to be made will have those of its mounts that are ours to make. */
  newFolder(): string {
    return join(this.deps.directory, randomBytes(16).toString("hex"));
  }

  /** Runs `work` while those of a container's mounts that are ours to make are there. */
  async during<T>(records: MountRecord[], work: () => Promise<T>): Promise<T> {
    const prepared = records.filter(isPrepared);
    const [first] = prepared;
    if (!first) return await work();
    const folder = dirname(first.prepared);
    // From a label: nothing but our own folders is mounted on.
    if (!prepared.every((record) => this.#isOurs(record.prepared) && dirname(record.prepared) === folder)) {
      const where = `${folder} is not in ${this.deps.directory}`;
      throw new CriError(
        "failedPrecondition",
        `the container has mounts of another --root-directory: ${where}`,
      );
    }
    return await this.#inTurn(folder, async () => {
      const namespace = await engineNamespace();
      try {
        await mkdir(namespace.toOurs(folder), { recursive: true, mode: 0o700 });
        // Private before anything is in it, so that what is mounted there is seen nowhere else.
        await namespace.mount(["--make-private", "-t", "tmpfs", "-o", "mode=700", "dockershim", folder]);
        for (const record of prepared) await this.#make(namespace, record);
        return await work();
      } finally {
        await this.#clear(namespace, folder);
      }
    });
  }

  /** Takes back what a crash has left. To be called before anything else. */
  async clear(): Promise<void> {
    const { directory } = this.deps;
    const namespace = await engineNamespace();
    const folders = await readdir(namespace.toOurs(directory)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    for (const folder of folders) await this.#clear(namespace, join(directory, folder));
  }

  #isOurs(path: string): boolean {
    const { directory } = this.deps;
    return path.startsWith(`${directory}/`) && /^[0-9a-f]+\/\d+$/.test(path.slice(directory.length + 1));
  }

  async #inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(folder) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(work);
    this.#turns.set(folder, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(folder) === turn) this.#turns.delete(folder);
    }
  }

  async #make(namespace: MountNamespace, record: Prepared): Promise<void> {
    const { prepared, readonly, recursiveReadOnly, options } = record;
    try {
      if (record.image) await this.#mountImage(namespace, record.image, prepared);
      else await mountHostPath(namespace, record);
      const [top, ...below] = treeAt(await namespace.table(), prepared);
      if (!top) throw new CriError("internal", `${prepared} is no mount`);
      await remount(namespace, top, options, readonly);
      if (!recursiveReadOnly) return;
      for (const entry of below) await remount(namespace, entry, [], true);
    } catch (error) {
      const kind = error instanceof CriError ? error.kind : "internal";
      throw new CriError(kind, `mount ${record.containerPath}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #mountImage(
    namespace: MountNamespace,
    { id, image, subPath }: ImageVolume,
    target: string,
  ): Promise<void> {
    const root = `${target}.image`;
    await mkdir(namespace.toOurs(root));
    await mountLayers(namespace, await this.deps.layers(id), root);
    const path = await resolveWithin(namespace.toOurs(root), subPath).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
        throw new CriError("notFound", `image_sub_path ${JSON.stringify(subPath)} is not in image ${image}`);
      },
    );
    await makeTarget(namespace, join(root, path), target);
    await namespace.mount(["--bind", join(root, path), target]);
  }

  /** No folder is ever removed with what is in it: should a mount still be there, that would be a pod's data. */
  async #clear(namespace: MountNamespace, folder: string): Promise<void> {
    try {
      // More than one where a crash came between.
      while ((await namespace.table()).some(({ mountPoint }) => mountPoint === folder)) {
        // Else what is below would be unmounted at its source as well, where both are peers.
        await namespace.makePrivate(folder);
        await namespace.unmount(folder);
      }
      await rmdir(namespace.toOurs(folder));
    } catch (error) {
      this.deps.log.warn("prepared mounts could not be taken back", { folder, error: messageOf(error) });
    }
  }
}

/** With what is mounted below it, and as its peer, unless it is to be private. */
async function mountHostPath(
  namespace: MountNamespace,
  { hostPath = "", prepared, propagation }: Prepared,
): Promise<void> {
  const source = await resolveWithin(namespace.toOurs("/"), hostPath).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw new CriError("failedPrecondition", `its source ${hostPath} does not exist (any more)`);
    },
  );
  await makeTarget(namespace, source, prepared);
  if (propagation === "rprivate") {
    await namespace.mount(["--rbind", "--make-rprivate", source, prepared]);
    return;
  }
  const on = mountOf(await namespace.table(), source);
  if (!on?.shared && !(on?.slave && propagation === "rslave")) {
    const needed = propagation === "rslave" ? "shared or slave" : "shared";
    throw new CriError(
      "failedPrecondition",
      `its source ${hostPath} is on the mount ${on?.mountPoint ?? "?"}, which is not ${needed}`,
    );
  }
  await namespace.mount(["--rbind", source, prepared]);
}

/** A mount point of the source's kind. */
async function makeTarget(namespace: MountNamespace, source: string, target: string): Promise<void> {
  const found = await stat(namespace.toOurs(source));
  if (found.isDirectory()) await mkdir(namespace.toOurs(target));
  else await writeFile(namespace.toOurs(target), "", { flag: "wx" });
}

async function remount(
  namespace: MountNamespace,
  { mountPoint, options }: MountEntry,
  wanted: readonly string[],
  readonly: boolean,
): Promise<void> {
  const all = ["remount", "bind", ...mergeOptions(options, wanted, readonly)];
  await namespace.mount(["--options-mode", "ignore", "-o", all.join(","), mountPoint]);
}
