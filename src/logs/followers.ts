/** All the followers of the log thread: what requests do to them, and what makes them go on. */
import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import { CriError, messageOf, type ErrorKind } from "../errors.js";
import { Follower, makeTurnBuffers } from "./follower.js";
import type { Counters, FollowOptions, LogProgress, LogReply, LogRequest } from "./messages.js";
import { Scheduler, type Timing, type Turn } from "./scheduler.js";

interface Followed {
  id: string;
  directory: string;
  follower: Follower;
  watcher: FSWatcher | undefined;
  /** Since its last turn. */
  events: number;
  /** It writes so much that it is read after every rest, and no events are asked for. */
  noisy: boolean;
  /** Requests that are answered when it is done. */
  finishing: number[];
}

/** Docker's every write is an event. With more of them in one rest it is cheaper to look after each rest. */
const maxEvents = 8;

/** A look at each log, for changes that no event told of. */
const sweepMs = 5000;

export class Followers {
  readonly #post: (reply: LogReply) => void;
  readonly #timing: Timing;
  readonly #watch: typeof watch;
  readonly #buffers = makeTurnBuffers();
  readonly #followed = new Map<string, Followed>();
  readonly #scheduler: Scheduler<Followed>;
  /** Of those that are forgotten. */
  readonly #past: Counters = { lines: 0, bytes: 0, gaps: 0, damaged: 0 };
  #watchFailed = false;
  #cancelSweep: (() => void) | undefined;

  /** @param watchFolder fs.watch, for tests of its failing */
  constructor(post: (reply: LogReply) => void, timing: Timing, watchFolder: typeof watch = watch) {
    this.#post = post;
    this.#timing = timing;
    this.#watch = watchFolder;
    this.#scheduler = new Scheduler((followed) => this.#step(followed), timing);
  }

  handle(request: LogRequest): void {
    try {
      const answer = this.#do(request);
      if (answer !== "later") this.#post({ request: request.request, ok: true, ...answer });
    } catch (error) {
      this.#post({ request: request.request, ok: false, error: messageOf(error), kind: kindOf(error) });
    }
  }

  #do(request: LogRequest): { progress?: LogProgress } | "later" {
    switch (request.action) {
      case "follow":
        this.#follow(request);
        return {};
      case "reopen":
        this.#find(request.id).follower.reopen();
        return {};
      case "finish":
        return this.#finish(this.#find(request.id), request.request);
      case "forget":
        this.#forget(request.id);
        return {};
      case "progress":
        return { progress: this.#progress() };
      case "stop":
        this.#stop();
        return {};
    }
  }

  #follow({ id, sourceDirectory, path, positionFile }: FollowOptions): void {
    const known = this.#followed.get(id);
    if (known && !known.follower.done) return;
    if (known) this.#drop(known);
    const source = join(sourceDirectory, `${id}-json.log`);
    const follower = new Follower({ source, path, positionFile }, this.#buffers, (what, detail, count) =>
      this.#post({ report: { id, what, detail, count } }),
    );
    try {
      follower.start();
    } catch (error) {
      follower.close();
      throw error;
    }
    const directory = sourceDirectory;
    const followed = { id, directory, follower, watcher: undefined, events: 0, noisy: false, finishing: [] };
    this.#followed.set(id, followed);
    if (follower.done) return;
    this.#listen(followed);
    this.#scheduler.mark(followed);
    this.#cancelSweep ??= this.#timing.later(sweepMs, () => this.#sweep());
  }

  #finish(followed: Followed, request: number): "later" | Record<string, never> {
    if (followed.follower.done) return {};
    followed.follower.finish();
    followed.finishing.push(request);
    this.#scheduler.urge(followed);
    return "later";
  }

  #forget(id: string): void {
    const followed = this.#followed.get(id);
    if (!followed) return;
    this.#drop(followed);
    const error = "the container was removed";
    for (const request of followed.finishing) {
      this.#post({ request, ok: false, error, kind: "notFound" });
    }
    followed.follower.forget();
  }

  #stop(): void {
    for (const followed of this.#followed.values()) {
      followed.follower.saveIfNeeded();
      this.#drop(followed);
    }
    this.#scheduler.stop();
    this.#cancelSweep?.();
  }

  #drop(followed: Followed): void {
    this.#followed.delete(followed.id);
    this.#scheduler.remove(followed);
    this.#unwatch(followed);
    followed.follower.close();
    add(this.#past, followed.follower.counters);
  }

  #find(id: string): Followed {
    const followed = this.#followed.get(id);
    if (!followed) throw new CriError("notFound", `no log is written for container ${id}`);
    return followed;
  }

  #step(followed: Followed): Turn {
    const { follower } = followed;
    const { bytes } = follower.counters;
    followed.events = 0;
    const outcome = follower.step();
    if (follower.done) {
      this.#unwatch(followed);
      for (const request of followed.finishing.splice(0)) this.#post({ request, ok: true });
    } else if (outcome === "idle" && followed.noisy) {
      if (follower.counters.bytes > bytes) return "again";
      followed.noisy = false;
      this.#listen(followed);
      // What was written before there were events.
      return follower.step();
    }
    return outcome;
  }

  #unwatch(followed: Followed): void {
    followed.watcher?.close();
    followed.watcher = undefined;
  }

  /** Docker's files are all in one folder, so its events tell of writing and of rotation. */
  #listen(followed: Followed): void {
    try {
      followed.watcher = this.#watch(followed.directory, (_event, name) => {
        if (name?.startsWith(`${followed.id}-json.log`) !== false) this.#hear(followed);
      }).on("error", (error) => {
        this.#unwatch(followed);
        this.#watchTrouble(error);
      });
    } catch (error) {
      this.#watchTrouble(error);
    }
  }

  #hear(followed: Followed): void {
    if (followed.follower.done) return;
    followed.events += 1;
    if (followed.events > maxEvents) {
      followed.noisy = true;
      this.#unwatch(followed);
    }
    this.#scheduler.mark(followed);
  }

  #watchTrouble(error: unknown): void {
    if (this.#watchFailed) return;
    this.#watchFailed = true;
    const detail = `logs are looked at every ${sweepMs / 1000} s only: ${messageOf(error)}`;
    this.#post({ report: { id: "", what: "watch", detail, count: 1 } });
  }

  #sweep(): void {
    let running = 0;
    for (const followed of this.#followed.values()) {
      const { follower } = followed;
      if (follower.done) continue;
      running += 1;
      if (!followed.watcher && !followed.noisy) this.#listen(followed);
      if (follower.changed()) this.#scheduler.mark(followed);
      follower.saveIfNeeded();
    }
    this.#cancelSweep = running > 0 ? this.#timing.later(sweepMs, () => this.#sweep()) : undefined;
  }

  #progress(): LogProgress {
    const sum = { ...this.#past, followed: 0, stalled: 0, behindBytes: 0 };
    for (const { follower } of this.#followed.values()) {
      add(sum, follower.counters);
      if (follower.done) continue;
      sum.followed += 1;
      if (follower.stalled) sum.stalled += 1;
      sum.behindBytes += follower.behindBytes;
    }
    return sum;
  }
}

function add(sum: Counters, more: Counters): void {
  sum.lines += more.lines;
  sum.bytes += more.bytes;
  sum.gaps += more.gaps;
  sum.damaged += more.damaged;
}

function kindOf(error: unknown): ErrorKind {
  if (error instanceof CriError) return error.kind;
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" ? "exhausted" : "internal";
}
