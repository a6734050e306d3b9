/**
 * The directory that network configurations are put into: which network new pods get. It is read when it is asked for
 * and again after something has changed in it; while no configuration is usable, at every question, since what is
 * missing may be a plugin.
 */
import { watch, type FSWatcher } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { CriError, messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import {
  parseNetworkFile,
  parsePluginFile,
  type NetworkConf,
  type NetworkFile,
  type PluginConf,
} from "./conf.js";

export interface ConfDirectoryOptions {
  directory: string;
  /** Finishes a configuration, or throws with what is wrong with it. */
  negotiate: (file: NetworkFile) => Promise<NetworkConf>;
  log: Log;
}

/** What libcni looks at. */
const extensions = [".conf", ".conflist", ".json"];

export class ConfDirectory {
  #found: Promise<NetworkConf> | undefined;
  #watchers: FSWatcher[] = [];
  #closed = false;
  /** Something could not be watched, so what was found cannot be remembered. */
  #blind = false;
  /** What was last said in the log. */
  #told = "";

  constructor(private readonly options: ConfDirectoryOptions) {}

  /**
   * The first usable network, by file name.
   * @throws CriError failedPrecondition with the reason for every file that is not usable
   */
  current(): Promise<NetworkConf> {
    if (this.#found) return this.#found;
    const finding = this.#find();
    this.#found = finding;
    finding.then(
      ({ name, cniVersion, plugins }) => {
        const types = plugins.map(({ type }) => type).join(", ");
        if (this.#blind) this.#forget(finding);
        this.#tell("info", `pods are attached to the CNI network ${name} (${types}; version ${cniVersion})`);
      },
      (error: unknown) => {
        this.#forget(finding);
        this.#tell("warn", messageOf(error));
      },
    );
    return finding;
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
  }

  async #find(): Promise<NetworkConf> {
    const { directory } = this.options;
    this.#unwatch();
    this.#blind = false;
    // Before it is read: what changes after that is seen.
    this.#watch(directory);
    const names = await readdir(directory).catch((error: unknown) => {
      throw new CriError("failedPrecondition", `no CNI configuration: ${messageOf(error)}`, { cause: error });
    });
    const reasons: string[] = [];
    for (const name of names.filter((name) => extensions.includes(extname(name))).sort()) {
      try {
        return await this.#read(join(directory, name));
      } catch (error) {
        reasons.push(`${name}: ${messageOf(error)}`);
      }
    }
    throw new CriError(
      "failedPrecondition",
      reasons.length > 0
        ? `no usable CNI configuration in ${directory}: ${reasons.join("; ")}`
        : `no CNI configuration in ${directory}`,
    );
  }

  async #read(path: string): Promise<NetworkConf> {
    const file = parseNetworkFile(await readFile(path, "utf8"));
    const more = file.inlineOnly ? [] : await this.#pluginsIn(join(this.options.directory, file.name));
    return await this.options.negotiate({ ...file, plugins: [...file.plugins, ...more] });
  }

  /** Plugins that others add to a network, without touching its file: one each in a folder of the network's name. */
  async #pluginsIn(folder: string): Promise<PluginConf[]> {
    const isFolder = await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) return [];
    // Before it is read, as above.
    this.#watch(folder);
    const names = await readdir(folder);
    const files = names.filter((name) => extname(name) === ".conf").sort();
    return await Promise.all(
      files.map(async (name) => {
        try {
          return parsePluginFile(await readFile(join(folder, name), "utf8"));
        } catch (error) {
          throw new CriError("invalid", `${join(folder, name)}: ${messageOf(error)}`, { cause: error });
        }
      }),
    );
  }

  #watch(directory: string): void {
    if (this.#closed) return;
    try {
      const watcher = watch(directory, { persistent: false });
      watcher.on("change", () => (this.#found = undefined));
      watcher.on("error", () => (this.#found = undefined));
      this.#watchers.push(watcher);
    } catch (error) {
      this.#blind = true;
      this.options.log.debug("CNI configurations cannot be watched", { directory, error });
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #forget(finding: Promise<NetworkConf>): void {
    if (this.#found === finding) this.#found = undefined;
  }

  #tell(level: "info" | "warn", message: string): void {
    if (message === this.#told) return;
    this.#told = message;
    this.options.log[level](message);
  }
}
