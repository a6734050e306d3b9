/**
 * What is known of the pods' attachments, one file each, as libcni keeps it in its cache directory: the predecessors
 * wrote such files through it, so their pods can be detached by this program, and ours by them.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import { replaceFile } from "../../replace-file.js";
import { fromText, isObject, toText, type Json, type NetworkConf } from "./conf.js";
import { interfaceName, type AttachmentRequest } from "./request.js";
import type { CniResult } from "./result.js";

export interface AttachmentRecord extends AttachmentRequest {
  conf: NetworkConf;
  /** Where the pod's network namespace is, or was. */
  netns: string;
  /** What the plugins came to. */
  result: CniResult | undefined;
  /** The attachment was begun, and is not known to have come to its end: the result is that of the first plugins. */
  partial: boolean;
  /** Which Docker Engine the sandbox is in; undefined for a predecessor's. */
  engine: string | undefined;
  /** The addresses that a sandbox is to get back when it is started again, with their prefix lengths. */
  formerIps?: string[];
}

/** libcni's kind of file. */
const kind = "cniCacheV1";

export class AttachmentRecords {
  readonly #directory: string;
  readonly #records = new Map<string, AttachmentRecord>();

  /** @param cacheDirectory libcni's; the files are in its folder "results" */
  constructor(
    cacheDirectory: string,
    private readonly log: Log,
  ) {
    this.#directory = join(cacheDirectory, "results");
  }

  /** Reads all there are. A file that is not understood stays where it is, with a line in the log. */
  async load(): Promise<void> {
    const names = await readdir(this.#directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    for (const name of names) {
      const path = join(this.#directory, name);
      try {
        // A write that was broken off.
        if (name.startsWith(".")) await rm(path, { force: true });
        else this.#add(fromFile(await readFile(path, "utf8")));
      } catch (error) {
        this.log.warn("a CNI attachment's file is not understood", { path, error: messageOf(error) });
      }
    }
  }

  /** By the sandbox's id. */
  get(sandboxId: string): AttachmentRecord | undefined {
    return this.#records.get(sandboxId);
  }

  all(): AttachmentRecord[] {
    return [...this.#records.values()];
  }

  /** Leaves its file where it is. */
  forget(sandboxId: string): void {
    this.#records.delete(sandboxId);
  }

  /** Counts at once, and resolves when it is on the disk. */
  async save(record: AttachmentRecord): Promise<void> {
    this.#add(record);
    await replaceFile(this.#pathOf(record), toFile(record));
  }

  async remove(record: AttachmentRecord): Promise<void> {
    await rm(this.#pathOf(record), { force: true });
    this.#records.delete(record.containerId);
  }

  #add(record: AttachmentRecord | undefined): void {
    if (record) this.#records.set(record.containerId, record);
  }

  #pathOf({ conf, containerId }: AttachmentRecord): string {
    return join(this.#directory, `${conf.name}-${containerId}-${interfaceName}`);
  }
}

/** libcni ignores the one field that it does not know. */
function toFile(record: AttachmentRecord): string {
  const { conf, containerId, netns, args, capabilityArgs, result, partial, engine, formerIps } = record;
  return JSON.stringify({
    kind,
    containerId,
    config: Buffer.from(toText(conf)).toString("base64"),
    ifName: interfaceName,
    networkName: conf.name,
    netns,
    cniArgs: args,
    capabilityArgs,
    result,
    dockershim: { engine, partial, formerIps },
  });
}

/** @returns undefined for another interface than a pod's own */
function fromFile(text: string): AttachmentRecord | undefined {
  const raw: unknown = JSON.parse(text);
  if (!isObject(raw) || raw["kind"] !== kind) throw new Error(`it is not of the kind ${kind}`);
  if (raw["ifName"] !== interfaceName) return undefined;
  const { containerId, config, netns, cniArgs, capabilityArgs, result } = raw;
  if (typeof containerId !== "string" || typeof config !== "string") {
    throw new Error("it has no containerId or no config");
  }
  const own = isObject(raw["dockershim"]) ? raw["dockershim"] : {};
  const {
    engine,
    partial = false,
    formerIps,
  } = own as Pick<AttachmentRecord, "engine" | "formerIps"> & {
    partial?: boolean;
  };
  return {
    containerId,
    conf: fromText(Buffer.from(config, "base64").toString()),
    netns: typeof netns === "string" ? netns : "",
    args: toArgs(cniArgs),
    capabilityArgs: toJson(capabilityArgs),
    result: isObject(result) ? result : undefined,
    partial,
    engine,
    ...(formerIps ? { formerIps } : {}),
  };
}

function toArgs(pairs: unknown): [string, string][] {
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((word) => typeof word === "string");
  if (pairs === undefined || pairs === null) return [];
  if (!Array.isArray(pairs) || !pairs.every(isPair)) throw new Error("its cniArgs are no pairs of texts");
  return pairs;
}

const toJson = (value: unknown): Json => (isObject(value) ? value : {});
