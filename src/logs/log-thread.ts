/**
 * Container logs in the CRI format, written by a thread of their own: neither a noisy container nor a slow disk
 * delays an RPC. If that thread should die, another one goes on where it was.
 */
import { Worker } from "node:worker_threads";
import { CriError } from "../errors.js";
import { pauseUntil } from "../waiting.js";
import type { FollowOptions, LogAction, LogAnswer, LogProgress, LogReply, LogReport } from "./messages.js";

export interface LogThreadOptions {
  /** What nobody asked for: gaps, damaged entries, full disks. */
  onReport: (report: LogReport) => void;
  startWorker?: () => Worker;
}

interface Pending {
  action: LogAction;
  /** How often it was handed to a thread that then died. */
  attempts: number;
  resolve: (answer: LogAnswer) => void;
}

const maxAttempts = 3;
/** Between the death of a thread and the next one. */
const restartMs = 100;

export class LogThread {
  readonly #options: LogThreadOptions;
  readonly #followed = new Map<string, FollowOptions>();
  readonly #pending = new Map<number, Pending>();
  readonly #closing = new AbortController();
  #worker: Worker | undefined;
  #lastRequest = 0;
  readonly #ended: Promise<void>;

  constructor(options: LogThreadOptions) {
    this.#options = options;
    this.#ended = this.#start();
  }

  /** Makes the log at `path` (0640, with its folders) and writes to it what Docker has and will have, until `finish`. */
  async follow(options: FollowOptions): Promise<void> {
    await this.#ask({ action: "follow", ...options });
    this.#followed.set(options.id, options);
  }

  /** CRI, ReopenContainerLog: on success all that comes goes to a new file; an error leaves none behind. */
  async reopen(id: string): Promise<void> {
    await this.#ask({ action: "reopen", id });
  }

  /** The container has ended. Resolves when all that it wrote is in its log; on a full disk that may be never. */
  async finish(id: string): Promise<void> {
    await this.#ask({ action: "finish", id });
  }

  /** The container is removed: so is its log, but not what the kubelet has renamed. Fine for one that is not followed. */
  async forget(id: string): Promise<void> {
    await this.#ask({ action: "forget", id });
    this.#followed.delete(id);
  }

  async progress(): Promise<LogProgress> {
    const { progress } = await this.#ask({ action: "progress" });
    return progress!;
  }

  /** Saves all positions and ends the thread. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      const stopped = this.#ask({ action: "stop" });
      this.#closing.abort();
      await stopped.catch(() => undefined);
    }
    await this.#ended;
  }

  async #ask(action: LogAction): Promise<Extract<LogAnswer, { ok: true }>> {
    if (this.#closing.signal.aborted) throw new CriError("unavailable", "the logs are being closed");
    const answer = await new Promise<LogAnswer>((resolve) => {
      this.#lastRequest += 1;
      this.#pending.set(this.#lastRequest, { action, attempts: 0, resolve });
      this.#send(this.#lastRequest);
    });
    if (answer.ok) return answer;
    throw new CriError(answer.kind, answer.error);
  }

  #send(request: number): void {
    const pending = this.#pending.get(request);
    if (!pending || !this.#worker) return;
    pending.attempts += 1;
    this.#worker.postMessage({ ...pending.action, request });
  }

  /** Resolves when the last thread has ended. */
  async #start(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const cause = await this.#runWorker();
      if (signal.aborted) break;
      this.#options.onReport({ id: "", what: "restarted", detail: cause, count: 1 });
      await pauseUntil(restartMs, signal);
    }
    for (const request of [...this.#pending.keys()]) {
      this.#answer({ request, ok: false, error: "the logs are closed", kind: "unavailable" });
    }
  }

  /** Resolves with the cause when the thread has ended. */
  #runWorker(): Promise<string> {
    const worker = (this.#options.startWorker ?? startWorker)();
    this.#worker = worker;
    // Only this thread's own module writes to the channel.
    worker.on("message", (reply: LogReply) => this.#receive(reply));
    this.#followAgain();
    let cause = "";
    worker.on("error", (error) => (cause = error.message));
    return new Promise((resolve) => {
      worker.on("exit", (code) => {
        this.#worker = undefined;
        resolve(cause || `the log thread ended with code ${code}`);
      });
    });
  }

  /** Hands a new thread all that its predecessor had, then the requests that it has not answered. */
  #followAgain(): void {
    const waiting = [...this.#pending.keys()];
    for (const options of this.#followed.values()) {
      this.#ask({ action: "follow", ...options }).catch((error: Error) => {
        this.#options.onReport({ id: options.id, what: "stalled", detail: error.message, count: 1 });
      });
    }
    for (const request of waiting) {
      if (this.#pending.get(request)!.attempts < maxAttempts) this.#send(request);
      else this.#answer({ request, ok: false, error: "the log thread dies of it", kind: "internal" });
    }
  }

  #receive(reply: LogReply): void {
    if ("report" in reply) this.#options.onReport(reply.report);
    else this.#answer(reply);
  }

  #answer(answer: LogAnswer): void {
    const pending = this.#pending.get(answer.request);
    this.#pending.delete(answer.request);
    pending?.resolve(answer);
  }
}

/** Run from sources, the thread needs the loader; Node 20 does not let one in by `--import` for a thread. */
export function startWorker(): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("worker.js", import.meta.url));
  const loader = import.meta.resolve("tsx/esm/api");
  const file = new URL("worker.ts", import.meta.url).href;
  const program = `import("${loader}").then(({ register }) => { register(); return import("${file}"); });`;
  return new Worker(program, { eval: true, execArgv: [] });
}
