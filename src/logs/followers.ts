/** All the followers of the log thread: what requests do to them, and what makes them go on. */
import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import { CriError, messageOf, type ErrorKind } from "../errors.js";
import { Follower, makeTurnBuffers, type Outcome } from "./follower.js";
import type { Counters, FollowOptions, LogReply, LogRequest } from "./messages.js";
import { Scheduler, type Timing } from "./scheduler.js";

interface Followed {
  id: string;
  directory: string;
  follower: Follower;
  watcher: FSWatcher | undefined;
  /** Requests that are answered when it is done. */
  finishing: number[];
}

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

  #do(request: LogRequest): { counters?: Counters } | "later" {
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
      case "counters":
        return { counters: this.#counters() };
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
    const followed = { id, directory: sourceDirectory, follower, watcher: undefined, finishing: [] };
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
    followed.watcher?.close();
    followed.follower.close();
    add(this.#past, followed.follower.counters);
  }

  #find(id: string): Followed {
    const followed = this.#followed.get(id);
    if (!followed) throw new CriError("notFound", `no log is written for container ${id}`);
    return followed;
  }

  #step(followed: Followed): Outcome {
    const outcome = followed.follower.step();
    if (followed.follower.done) {
      followed.watcher?.close();
      followed.watcher = undefined;
      for (const request of followed.finishing.splice(0)) this.#post({ request, ok: true });
    }
    return outcome;
  }

  /** Docker's files are all in one folder, so its events tell of writing and of rotation. */
  #listen(followed: Followed): void {
    try {
      followed.watcher = this.#watch(followed.directory, (_event, name) => {
        if (name?.startsWith(`${followed.id}-json.log`) !== false) this.#mark(followed);
      }).on("error", (error) => {
        followed.watcher?.close();
        followed.watcher = undefined;
        this.#watchTrouble(error);
      });
    } catch (error) {
      this.#watchTrouble(error);
    }
  }

  #watchTrouble(error: unknown): void {
    if (this.#watchFailed) return;
    this.#watchFailed = true;
    const detail = `logs are looked at every ${sweepMs / 1000} s only: ${messageOf(error)}`;
    this.#post({ report: { id: "", what: "watch", detail, count: 1 } });
  }

  #mark(followed: Followed): void {
    if (!followed.follower.done) this.#scheduler.mark(followed);
  }

  #sweep(): void {
    let running = 0;
    for (const followed of this.#followed.values()) {
      const { follower } = followed;
      if (follower.done) continue;
      running += 1;
      if (!followed.watcher) this.#listen(followed);
      if (follower.changed()) this.#mark(followed);
      follower.saveIfNeeded();
    }
    this.#cancelSweep = running > 0 ? this.#timing.later(sweepMs, () => this.#sweep()) : undefined;
  }

  #counters(): Counters {
    const sum = { ...this.#past };
    for (const { follower } of this.#followed.values()) add(sum, follower.counters);
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
