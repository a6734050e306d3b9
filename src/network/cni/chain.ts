/** A network's plugins, run one after the other: section 3 of the CNI specification. */
import { CriError, messageOf } from "../../errors.js";
import {
  cniVersions,
  isAtLeast,
  type Json,
  type NetworkConf,
  type NetworkFile,
  type PluginConf,
} from "./conf.js";
import { noJson, type Plugins } from "./plugins.js";
import { toEnvironment, toInput, type AttachmentRequest } from "./request.js";
import { parseResult, type CniResult } from "./result.js";

/** A pod's interface, as its plugins are told of it. */
export interface Attachment extends AttachmentRequest {
  /** Path of the pod's network namespace; empty when that is gone. */
  netns: string;
}

/** An attachment that the runtime still has, for GC. */
export interface ValidAttachment {
  containerID: string;
  ifname: string;
}

export class Chain {
  constructor(private readonly plugins: Pick<Plugins, "run" | "versionsOf">) {}

  /**
   * Chooses the newest version that the configuration offers and all its plugins know.
   * @throws CriError naming the plugin that is missing, does not answer, or is too old or too new
   */
  async negotiate({ versions, inlineOnly: _, ...conf }: NetworkFile): Promise<NetworkConf> {
    const [newest = cniVersions[0]] = versions;
    const known = await Promise.all(
      conf.plugins.map(async ({ type }) => ({
        type,
        supported: await this.plugins.versionsOf(type, newest),
      })),
    );
    const cniVersion = versions.find((version) =>
      known.every(({ supported }) => supported.includes(version)),
    );
    if (cniVersion) return { ...conf, cniVersion };
    const unfit = known.map(({ type, supported }) => `${type} knows ${supported.join(", ") || "none"}`);
    throw new CriError(
      "failedPrecondition",
      `no plugin version fits CNI version ${versions.join(" or ")}: ${unfit.join("; ")}`,
    );
  }

  /**
   * @param onResult is awaited with what each plugin came to: DEL needs it, whatever becomes of the ones after it
   * @returns the last plugin's result
   * @throws CriError of the first plugin that fails
   */
  async add(
    conf: NetworkConf,
    attachment: Attachment,
    onResult: (result: CniResult) => Promise<void>,
    signal: AbortSignal,
  ): Promise<CniResult> {
    let prevResult: CniResult | undefined;
    for (const plugin of conf.plugins) {
      const text = await this.#run("ADD", conf, plugin, attachment, prevResult, signal);
      const result = parseResult(text, conf.cniVersion);
      if (!result) throw noJson(`CNI plugin ${JSON.stringify(plugin.type)} (ADD)`, text);
      prevResult = result;
      await onResult(result);
    }
    return prevResult ?? {};
  }

  /**
   * Detaches, last plugin first. Where ADD has succeeded, a plugin that fails is the end, as the specification says:
   * the ones before it keep what the failed one may still lead to (an address with a port forwarded to it, say), and
   * all of it is to be tried again. Where it has not, every plugin is given its chance, since the one that fails here
   * may be the one that failed there.
   * @param result what ADD came to; with `partial`, as far as it came
   */
  async del(
    conf: NetworkConf,
    attachment: Attachment,
    { result, partial }: { result: CniResult | undefined; partial: boolean },
  ): Promise<void> {
    const errors: unknown[] = [];
    for (const plugin of [...conf.plugins].reverse()) {
      try {
        await this.#run(
          "DEL",
          conf,
          plugin,
          attachment,
          isAtLeast(conf.cniVersion, "0.4.0") ? result : undefined,
        );
      } catch (error) {
        if (!partial) throw error;
        errors.push(error);
      }
    }
    throwAll(errors);
  }

  /** @throws CriError with what is not as it was made; versions before 0.4.0 cannot tell */
  async check(conf: NetworkConf, attachment: Attachment, result: CniResult): Promise<void> {
    if (conf.disableCheck || !isAtLeast(conf.cniVersion, "0.4.0")) return;
    for (const plugin of conf.plugins) await this.#run("CHECK", conf, plugin, attachment, result);
  }

  /** @throws CriError of the first plugin that cannot take an ADD now; versions before 1.1.0 cannot tell */
  async status(conf: NetworkConf): Promise<void> {
    if (!isAtLeast(conf.cniVersion, "1.1.0")) return;
    for (const plugin of conf.plugins) {
      await this.plugins.run({ type: plugin.type, command: "STATUS", input: toInput(conf, plugin, {}) });
    }
  }

  /** Has the plugins remove what belongs to no attachment in the list; versions before 1.1.0 cannot. */
  async gc(conf: NetworkConf, valid: readonly ValidAttachment[]): Promise<void> {
    if (conf.disableGC || !isAtLeast(conf.cniVersion, "1.1.0")) return;
    const extra: Json = { "cni.dev/valid-attachments": valid };
    const errors: unknown[] = [];
    for (const plugin of conf.plugins) {
      await this.plugins
        .run({ type: plugin.type, command: "GC", input: toInput(conf, plugin, { extra }) })
        .catch((error: unknown) => errors.push(error));
    }
    throwAll(errors);
  }

  #run(
    command: "ADD" | "DEL" | "CHECK",
    conf: NetworkConf,
    plugin: PluginConf,
    { netns, ...request }: Attachment,
    prevResult: CniResult | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    const input = toInput(conf, plugin, { capabilityArgs: request.capabilityArgs, prevResult });
    return this.plugins.run(
      { type: plugin.type, command, input, environment: toEnvironment(request, netns) },
      signal,
    );
  }
}

function throwAll(errors: unknown[]): void {
  if (errors.length === 0) return;
  throw new CriError("internal", errors.map(messageOf).join("; "), { cause: errors[0] });
}
