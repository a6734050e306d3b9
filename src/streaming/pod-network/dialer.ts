/**
 * Connections to localhost inside pods. A socket belongs for life to the network namespace that it was made
 * in, and Node cannot enter one, so for each pod that is forwarded to a helper runs in its namespace, connects
 * there and hands the socket over. From then on the helper has no part in it: bytes go straight between the
 * kernel and us.
 */
import type { Socket } from "node:net";
import { systemClock, type Clock } from "../../clock.js";
import { CriError, throwIfAborted } from "../../errors.js";
import { connectLocalhost, type ConnectOutcome } from "./connect.js";
import { HelperProcess } from "./helper-process.js";
import { closeNetwork, openNetwork, type PodProcess } from "./pod-process.js";

export type DialTarget =
  /** A pod on the host's network. */
  | { kind: "host" }
  /** `pid`: the sandbox's own process, as the host sees it; `key`: the sandbox's id. */
  | { kind: "pod"; pid: number; key: string };

export interface DialerOptions {
  clock?: Pick<Clock, "sleep">;
  /** The limit for one dial, the helper's start included. */
  dialMs?: number;
  /** A helper without dials for this long is ended. */
  idleMs?: number;
  nsenter?: string;
  proc?: string;
}

interface KnownPod {
  pid: number;
  identity: string;
  helper: HelperProcess | undefined;
}

export class PodDialer {
  /** Also pods without a helper at the moment: their process's identity is remembered until their release. */
  readonly #pods = new Map<string, KnownPod>();
  readonly #ending = new Set<Promise<void>>();
  readonly #options: Required<DialerOptions>;
  #closed = false;

  constructor(options: DialerOptions = {}) {
    const defaults = {
      clock: systemClock,
      dialMs: 10_000,
      idleMs: 60_000,
      nsenter: "nsenter",
      proc: "/proc",
    };
    this.#options = { ...defaults, ...options };
  }

  /**
   * A socket connected to localhost:`port` there, over IPv4 or IPv6. It stays open in one direction when the
   * other ends, and sends without delay. The caller owns it; its errors crash nobody, but end in "close".
   * @throws CriError failedPrecondition when nothing listens or the pod has gone, deadline, cancelled,
   *   invalid for a port that cannot be, internal when the pod's network cannot be entered
   */
  async dial(target: DialTarget, port: number, signal?: AbortSignal): Promise<Socket> {
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new CriError("invalid", `port ${port} is not between 1 and 65535`);
    }
    if (signal) throwIfAborted(signal);
    if (this.#closed) throw closing();
    const place = `localhost:${port} in the ${target.kind}'s network`;
    const outcome = await this.#inTime(place, signal, (limit) =>
      target.kind === "host"
        ? connectLocalhost(port, { signal: limit })
        : this.#helperIn(target).connect(port, limit),
    );
    if ("code" in outcome) throw refusal(outcome.code, place);
    outcome.socket.on("error", () => undefined);
    return outcome.socket.setNoDelay(true);
  }

  /** The pod has gone: so does its helper, and what waits for it fails. Resolves when the process is gone. */
  async release(key: string): Promise<void> {
    const pod = this.#pods.get(key);
    this.#pods.delete(key);
    if (pod) await this.#end(pod, new CriError("failedPrecondition", "the pod has gone"));
  }

  /** Ends all helpers and fails what is waiting, now and later. Connections that were made live on. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const pod of this.#pods.values()) void this.#end(pod, closing());
    this.#pods.clear();
    await Promise.all(this.#ending);
  }

  /** Runs `attempt` with a signal that fires when the client leaves or the limit is reached. */
  async #inTime(
    place: string,
    signal: AbortSignal | undefined,
    attempt: (limit: AbortSignal) => Promise<ConnectOutcome>,
  ): Promise<ConnectOutcome> {
    const { clock, dialMs } = this.#options;
    const limit = new AbortController();
    const done = new AbortController();
    const cancel = () => limit.abort(new CriError("cancelled", "the client cancelled the request"));
    signal?.addEventListener("abort", cancel, { once: true });
    const late = new CriError("deadline", `no connection to ${place} within ${dialMs / 1000} s`);
    clock.sleep(dialMs, done.signal).then(
      () => limit.abort(late),
      () => undefined,
    );
    try {
      return await attempt(limit.signal);
    } finally {
      done.abort();
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** The helper in the pod's network, started when there is none. */
  #helperIn({ pid, key }: { pid: number; key: string }): HelperProcess {
    const found = this.#open(pid, key);
    try {
      let pod = this.#pods.get(key);
      if (pod && pod.identity !== found.identity) {
        void this.#end(pod, hasGone(pod.pid));
        // The same pid with another process: it was given away after the pod had ended.
        if (pod.pid === pid) throw hasGone(pid);
        pod = undefined;
      }
      pod ??= { pid, identity: found.identity, helper: undefined };
      this.#pods.set(key, pod);
      if (!pod.helper?.alive) pod.helper = this.#start(key, found.networkFd);
      return pod.helper;
    } finally {
      closeNetwork(found);
    }
  }

  #open(pid: number, key: string): PodProcess {
    try {
      return openNetwork(pid, this.#options.proc);
    } catch (error) {
      const pod = this.#pods.get(key);
      if (pod) void this.#end(pod, hasGone(pod.pid));
      throw error;
    }
  }

  #start(key: string, networkFd: number): HelperProcess {
    const helper = new HelperProcess({ ...this.#options, key, networkFd });
    this.#ending.add(helper.ended);
    void helper.ended.then(() => this.#ending.delete(helper.ended));
    return helper;
  }

  async #end(pod: KnownPod, reason: CriError): Promise<void> {
    pod.helper?.kill(reason);
    await pod.helper?.ended;
  }
}

const closing = () => new CriError("cancelled", "the server is closing");
const hasGone = (pid: number) => new CriError("failedPrecondition", `the pod's process ${pid} has gone`);
const refusal = (code: string, place: string) =>
  new CriError(
    "failedPrecondition",
    code === "ECONNREFUSED" ? `connection refused on ${place}` : `cannot connect to ${place}: ${code}`,
  );
