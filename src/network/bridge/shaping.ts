import { access, readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { CriError, messageOf } from "../../errors.js";
import type { Bandwidth } from "../bandwidth.js";
import type { Run } from "../../run-program.js";
import { bridgeName } from "./to-docker.js";
import { toShapingCommands } from "./to-tc.js";

export interface ShaperDependencies {
  run: Run;
  /** /proc and /sys, or stand-ins for them. */
  proc?: string;
  sys?: string;
}

/** The kernel's names have 15 characters at most; this many of an id's are enough to tell sandboxes apart. */
const idDigits = 10;
const queuePrefix = "dshim";
const queueOf = (sandboxId: string): string => queuePrefix + sandboxId.slice(0, idDigits);
const queuePattern = new RegExp(`^${queuePrefix}([0-9a-f]{${idDigits}})$`);

/** Limits what pods send and receive, on the host's side of their networks. */
export class Shaper {
  readonly #run: Run;
  readonly #proc: string;
  readonly #interfaces: string;

  constructor({ run, proc = "/proc", sys = "/sys" }: ShaperDependencies) {
    this.#run = run;
    this.#proc = proc;
    this.#interfaces = `${sys}/class/net`;
  }

  /**
   * The host's end of a pod's pair of interfaces. Docker does not tell it; the kernel does, in the pod's /sys.
   * @throws CriError failedPrecondition when it cannot be found
   */
  async hostEnd(pid: number): Promise<string> {
    const file = `${this.#proc}/${pid}/root/sys/class/net/eth0/iflink`;
    const index = await readFile(file, "utf8").catch((error: unknown) => {
      const message = `the network of the pod's process ${pid} cannot be seen: ${messageOf(error)}`;
      throw new CriError("failedPrecondition", message, { cause: error });
    });
    for (const name of await readdir(this.#interfaces)) {
      const own = await readFile(`${this.#interfaces}/${name}/ifindex`, "utf8").catch(() => undefined);
      // In another network than Docker's, the number could be that of anything.
      if (own === index && (await this.#bridgeOf(name)) === bridgeName) return name;
    }
    throw new CriError(
      "failedPrecondition",
      "the pod's bandwidth cannot be limited: this program does not run in the host's network",
    );
  }

  /** @throws CriError, and then nothing is left of it */
  async shape(sandboxId: string, hostEnd: string, bandwidth: Bandwidth): Promise<void> {
    // A sandbox that ended by itself has left its queue behind.
    await this.remove(sandboxId);
    try {
      for (const command of toShapingCommands(hostEnd, queueOf(sandboxId), bandwidth)) {
        const [program, ...args] = command;
        await this.#run(program, args);
      }
    } catch (error) {
      for (const place of ["root", "ingress"]) {
        await this.#run("tc", ["qdisc", "delete", "dev", hostEnd, place]).catch(() => undefined);
      }
      await this.remove(sandboxId).catch(() => undefined);
      throw error;
    }
  }

  /** The rest of a pod's limits goes with its interfaces. Nothing to be removed is no error. */
  async remove(sandboxId: string): Promise<void> {
    const queue = queueOf(sandboxId);
    if (!(await this.#exists(queue))) return;
    await this.#run("ip", ["link", "delete", "dev", queue]).catch(async (error: unknown) => {
      if (await this.#exists(queue)) throw error;
    });
  }

  /** The beginnings of the ids of sandboxes that have something here to be removed. */
  async sandboxes(): Promise<string[]> {
    return (await readdir(this.#interfaces)).flatMap((name) => queuePattern.exec(name)?.[1] ?? []);
  }

  #bridgeOf(name: string): Promise<string | undefined> {
    const link = readlink(`${this.#interfaces}/${name}/master`);
    return link.then(
      (path) => basename(path),
      () => undefined,
    );
  }

  #exists(name: string): Promise<boolean> {
    return access(`${this.#interfaces}/${name}`).then(
      () => true,
      () => false,
    );
  }
}
