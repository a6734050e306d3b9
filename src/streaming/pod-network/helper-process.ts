import { spawn, type ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../clock.js";
import { CriError, messageOf } from "../../errors.js";
import type { ConnectOutcome } from "./connect.js";
import type { HelperReply, HelperRequest } from "./messages.js";

export interface HelperOptions {
  /** The namespace to enter. It is the child's after the constructor, and may be closed here. */
  networkFd: number;
  /** The sandbox's id, which shows in the helper's command line. */
  key: string;
  nsenter: string;
  clock: Pick<Clock, "sleep">;
  /** Without dials for this long the helper is ended. */
  idleMs: number;
}

interface Dial {
  resolve: (outcome: ConnectOutcome) => void;
  reject: (error: unknown) => void;
}

/** The helper in one pod's network, as seen from the server. It never restarts; make another one. */
export class HelperProcess {
  /** Resolves when the process and its channel are gone, and with them all that it might still hand over. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #dials = new Map<number, Dial>();
  readonly #options: HelperOptions;
  #lastId = 0;
  #alive = true;
  #busy = new AbortController();
  #stderr = "";

  constructor(options: HelperOptions) {
    this.#options = options;
    this.#child = start(options);
    this.#child.on("message", (message, handle) => {
      // Only the helper writes to the channel.
      this.#receive(message as HelperReply, handle instanceof Socket ? handle : undefined);
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-maxStderr);
    });
    for (const event of ["exit", "disconnect"]) this.#child.on(event, () => (this.#alive = false));
    this.ended = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        // Not started at all; any later error is followed by "close".
        if (this.#child.pid !== undefined) return;
        const hint = `cannot run ${options.nsenter} (of util-linux)`;
        this.#finish(new CriError("internal", `${hint}: ${messageOf(error)}`, { cause: error }));
        resolve();
      });
      // After the exit, when standard error and the channel are read to their ends.
      this.#child.on("close", (code, killedBy) => {
        const why = this.#stderr.trim() || (killedBy ?? `exit code ${code}`);
        this.#finish(new CriError("internal", `the helper in the pod's network ended: ${why}`));
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** False from the moment that its end is known or decided. */
  get alive(): boolean {
    return this.#alive;
  }

  /** @throws the signal's reason, once it fires; CriError internal when the helper ends meanwhile */
  connect(port: number, signal: AbortSignal): Promise<ConnectOutcome> {
    const id = ++this.#lastId;
    this.#busy.abort();
    const abandon = () => {
      this.#send({ kind: "cancel", id });
      this.#dials.get(id)?.reject(signal.reason);
    };
    return new Promise<ConnectOutcome>((resolve, reject) => {
      this.#dials.set(id, { resolve, reject });
      signal.addEventListener("abort", abandon, { once: true });
      this.#send({ kind: "dial", id, port });
    }).finally(() => {
      signal.removeEventListener("abort", abandon);
      this.#dials.delete(id);
      if (this.#dials.size === 0 && this.#alive) this.#endWhenIdle();
    });
  }

  /** Ends it at once. Sockets that it handed over live on; `reason` is what waiting dials are told. */
  kill(reason: CriError): void {
    this.#finish(reason);
    this.#child.kill("SIGKILL");
  }

  #send(request: HelperRequest): void {
    // A send that fails is a helper that has ended, and "close" follows.
    if (this.#child.connected) this.#child.send(request, () => undefined);
  }

  #receive({ id, code }: HelperReply, socket: Socket | undefined): void {
    const dial = this.#dials.get(id);
    if (!dial) {
      socket?.on("error", () => undefined).destroy();
    } else if (socket) {
      // Node makes it without asking us, but documents that this may be changed before the end is read.
      socket.allowHalfOpen = true;
      dial.resolve({ socket });
    } else {
      dial.resolve({ code: code ?? "ECONNABORTED" });
    }
  }

  #finish(reason: CriError): void {
    this.#alive = false;
    this.#busy.abort();
    for (const dial of this.#dials.values()) dial.reject(reason);
    this.#dials.clear();
  }

  /** It is ended from here and not by itself: then no dial can be on its way to it. */
  #endWhenIdle(): void {
    this.#busy = new AbortController();
    this.#options.clock.sleep(this.#options.idleMs, this.#busy.signal).then(
      () => this.kill(new CriError("internal", "the helper was idle")),
      () => undefined,
    );
  }
}

const maxStderr = 2048;
/** It holds sockets for a moment and nothing else. */
const smallHeap = ["--max-old-space-size=16", "--max-semi-space-size=1"];

/** nsenter enters the namespace and becomes Node, so the child's pid is the helper's. */
function start({ networkFd, key, nsenter }: HelperOptions): ChildProcess {
  // Of our own flags none is for the helper (--inspect, --eval); run from sources, it needs the loader.
  const fromSources = import.meta.url.endsWith(".ts");
  const flags = fromSources ? ["--import", import.meta.resolve("tsx")] : smallHeap;
  const helper = fileURLToPath(new URL(fromSources ? "helper.ts" : "helper.js", import.meta.url));
  const inChild = 4;
  const command = [process.execPath, ...flags, helper, key];
  return spawn(nsenter, [`--net=/proc/self/fd/${inChild}`, "--", ...command], {
    stdio: ["ignore", "ignore", "pipe", "ipc", networkFd],
    env: { ...process.env, NODE_OPTIONS: "" },
    // A Ctrl-C at our terminal ends us in our own time, and the helpers after the connections.
    detached: true,
  });
}
