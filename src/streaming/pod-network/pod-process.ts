/** Which network namespace a pod's process is in, held open so that it cannot become another one. */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { CriError, messageOf } from "../../errors.js";

export interface PodProcess {
  pid: number;
  /** Tells this process from any other that had, or will have, its pid; and its network from another. */
  identity: string;
  /** A descriptor of the namespace; close it with closeNetwork. */
  networkFd: number;
}

/**
 * The calls are synchronous: /proc is memory, and in between nothing else may happen to the dialler's books.
 * @param proc /proc, or a stand-in for it
 * @throws CriError failedPrecondition when there is no such process, or it shares the host's network
 */
export function openNetwork(pid: number, proc: string): PodProcess {
  let networkFd: number | undefined;
  try {
    // The namespace first: what is entered later is this one, whatever becomes of the process.
    networkFd = openSync(`${proc}/${pid}/ns/net`, "r");
    const network = fstatSync(networkFd).ino;
    if (network === networkOf("self", proc) || network === networkOf("1", proc)) {
      throw new CriError("failedPrecondition", `process ${pid} is not in a pod's network but in the host's`);
    }
    const identity = `net:[${network}] started ${startTime(readFileSync(`${proc}/${pid}/stat`, "utf8"))}`;
    return { pid, identity, networkFd };
  } catch (error) {
    if (networkFd !== undefined) closeSync(networkFd);
    if (error instanceof CriError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ESRCH") {
      throw new CriError("failedPrecondition", `the pod's process ${pid} has gone`, { cause: error });
    }
    throw new CriError("internal", `cannot open the pod's network: ${messageOf(error)}`, { cause: error });
  }
}

export const closeNetwork = ({ networkFd }: PodProcess): void => closeSync(networkFd);

function networkOf(process: string, proc: string): number | undefined {
  try {
    return statSync(`${proc}/${process}/ns/net`).ino;
  } catch {
    // Without the right to look at process 1 we are not in a position to mistake it for a pod's.
    return undefined;
  }
}

/** The 22nd field, in clock ticks since boot. The second, the name, is in brackets and may hold anything. */
const startTime = (stat: string): string => stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
