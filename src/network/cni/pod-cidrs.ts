/**
 * The ranges of the pods' addresses: from the flag, and then as UpdateRuntimeConfig says. A kubelet says it once, and
 * not again to a server that was started anew, so it is kept in a file.
 */
import { readFile } from "node:fs/promises";
import { messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import { replaceFile } from "../../replace-file.js";
import { isObject } from "./conf.js";

const version = 1;

export class PodCidrs {
  #current: readonly string[];
  #writing: Promise<void> = Promise.resolve();

  /** @param given those of the flag; what was said later counts more */
  constructor(
    private readonly path: string,
    given: readonly string[],
    private readonly log: Log,
  ) {
    this.#current = given;
  }

  /** A file that is not understood is as none: pods without a range are better than no pods. */
  async load(): Promise<void> {
    try {
      this.#current = fromText(await readFile(this.path, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      this.log.warn("the pods' address ranges cannot be read", { path: this.path, error: messageOf(error) });
    }
  }

  current(): readonly string[] {
    return this.#current;
  }

  /** An empty list says nothing: kubelets send it before they know. What is said counts when it is on the disk. */
  set(podCidrs: string[]): Promise<void> {
    if (podCidrs.length === 0) return Promise.resolve();
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#write(podCidrs));
    return this.#writing;
  }

  async #write(podCidrs: string[]): Promise<void> {
    if (podCidrs.join() === this.#current.join()) return;
    await replaceFile(this.path, JSON.stringify({ version, podCidrs }));
    this.#current = podCidrs;
  }
}

function fromText(text: string): string[] {
  const known: unknown = JSON.parse(text);
  const podCidrs = isObject(known) && known["version"] === version ? known["podCidrs"] : undefined;
  if (Array.isArray(podCidrs) && podCidrs.every((cidr) => typeof cidr === "string")) return podCidrs;
  throw new Error(`it is not of version ${version}`);
}
