/**
 * What is in Docker, as far as it is ours: the view that lists and statuses are answered from.
 *
 * Filled by one list when the event stream opens and kept true by the events. The rules that keep it honest:
 * - an event for a container makes its cached inspect stale at once; the next read inspects it again;
 * - our own writes call `touch`, so that a caller's next read sees them, whenever their event arrives;
 * - a lost event stream makes everything stale: no answer until a new stream is open and the list is made anew;
 * - while Docker cannot be reached, reads fail with `unavailable` instead of telling old news.
 */
import type { ContainerInspect, Engine, EngineEvent } from "../docker/engine.js";
import { CriError, isKind } from "../errors.js";
import { kindOf, sandboxIdLabel, typeLabel, type Kind } from "../kube/labels.js";
import type { Log } from "../log.js";
import { deferred, mapLimited, pauseUntil } from "../waiting.js";

type InventoryEngine = Pick<Engine, "events" | "listContainers" | "inspectContainer">;

interface Entry {
  kind: Kind;
  /** Counts the reasons to look again. An inspect answers for the count at which it was begun. */
  changes: number;
  /** The count that `inspect` answers for; -1 before the first. */
  seen: number;
  inspect: ContainerInspect | undefined;
  inFlight: { changes: number; done: Promise<void> } | undefined;
}

export interface InventoryHooks {
  /** The event stream was lost: Docker may come back as another version. */
  lost(reason: CriError): void;
  /** A sandbox's process has ended, and with it its network; events that are lost are not made up for. */
  ended(sandboxId: string): void;
  /** A container as it has just been inspected; no read sees it before this has resolved. */
  seen(container: ContainerInspect): Promise<void>;
  /** A sandbox or container is no more, whoever removed it; also told of those whose removal was ours. */
  gone(id: string, kind: Kind): void;
  /** All that there is, by id, when the view has become complete. */
  complete(ids: ReadonlySet<string>): void;
}

/** Container events after which an inspect may read differently. */
const relevant = [
  "create",
  "start",
  "die",
  "oom",
  "pause",
  "unpause",
  "rename",
  "restart",
  "update",
  "destroy",
];
/** Docker answers a subscription before it registers it, so the events of the last seconds are replayed. */
const overlapSeconds = 5;
const openLimitMs = 10_000;
const retryMs = 500;
const concurrentInspects = 16;

export class Inventory {
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();
  #connected = false;
  /** The attempt to become complete that is under way; reads wait for it. */
  #attempt = deferred();
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly engine: InventoryEngine,
    private readonly log: Log,
    private readonly hooks: Partial<InventoryHooks> = {},
  ) {}

  /** Begins to follow Docker; returns at once, reads wait for the first complete view. */
  start(): void {
    this.#loop = this.#follow();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    await this.#loop;
    this.#attempt.reject(new CriError("unavailable", "the server is stopping"));
  }

  /** Resolves when the view is complete, rejects with `unavailable` when Docker cannot be reached. */
  async ready(): Promise<void> {
    if (this.#connected) return;
    this.#wake.abort();
    await this.#attempt.promise;
  }

  /** Every container of that kind. */
  async list(kind: Kind): Promise<ContainerInspect[]> {
    await this.ready();
    const ids = [...this.#entries].filter(([, entry]) => entry.kind === kind).map(([id]) => id);
    const found = await mapLimited(ids, concurrentInspects, (id) => this.#fresh(id));
    return found.filter((inspect) => inspect !== undefined);
  }

  /** The containers of a sandbox, by the sandbox's full id. */
  async containersOf(sandboxId: string): Promise<ContainerInspect[]> {
    return (await this.list("container")).filter(({ Config }) => Config.Labels[sandboxIdLabel] === sandboxId);
  }

  /**
   * The one container of that kind whose id is, or begins with, `id`.
   * @throws CriError notFound; invalid when several begin so
   */
  async get(kind: Kind, id: string): Promise<ContainerInspect> {
    const found = await this.find(kind, id);
    if (!found) throw new CriError("notFound", `no ${words[kind]} with id ${JSON.stringify(id)}`);
    return found;
  }

  /** As `get`, but undefined where nothing is found. */
  async find(kind: Kind, id: string): Promise<ContainerInspect | undefined> {
    await this.ready();
    const full = this.#resolve(kind, id);
    return full === undefined ? undefined : await this.#fresh(full);
  }

  /** How many of that kind are known; at once, and old while Docker is away. */
  count(kind: Kind): number {
    return [...this.#entries.values()].filter((entry) => entry.kind === kind).length;
  }

  /** To be called after every write of ours: what is known of this container is old. */
  touch(id: string, kind: Kind): void {
    const entry = this.#entries.get(id);
    if (entry) entry.changes++;
    else this.#entries.set(id, { kind, changes: 0, seen: -1, inspect: undefined, inFlight: undefined });
  }

  /** To be called after a removal of ours. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  #resolve(kind: Kind, id: string): string | undefined {
    if (this.#entries.get(id)?.kind === kind) return id;
    const matches = [...this.#entries].filter(([full, entry]) => entry.kind === kind && full.startsWith(id));
    if (matches.length > 1) {
      throw new CriError(
        "invalid",
        `id ${JSON.stringify(id)} is ambiguous: ${matches.length} ${words[kind]}s begin so`,
      );
    }
    return matches[0]?.[0];
  }

  /** For `seen`: whoever listens is not to wait for somebody who asks. */
  #lookSoon(id: string): void {
    if (!this.hooks.seen) return;
    this.#fresh(id).catch((error: unknown) =>
      this.log.debug("a container could not be inspected", { id, error }),
    );
  }

  /** An inspect that is at least as new as this call. */
  async #fresh(id: string): Promise<ContainerInspect | undefined> {
    const entry = this.#entries.get(id);
    if (!entry) return undefined;
    const wanted = entry.changes;
    while (entry.seen < wanted && this.#entries.get(id) === entry) {
      if (!entry.inFlight || entry.inFlight.changes < wanted) {
        entry.inFlight = { changes: entry.changes, done: this.#look(id, entry, entry.changes) };
      }
      await entry.inFlight.done;
    }
    return this.#entries.get(id) === entry ? entry.inspect : undefined;
  }

  async #look(id: string, entry: Entry, changes: number): Promise<void> {
    try {
      const inspect = await this.engine.inspectContainer(id);
      // One that was destroyed meanwhile is not to be shown after its end was told.
      if (this.#entries.get(id) !== entry) return;
      if (entry.kind === "container") await this.hooks.seen?.(inspect);
      if (changes > entry.seen) Object.assign(entry, { inspect, seen: changes });
    } catch (error) {
      if (!isKind(error, "notFound")) throw error;
      if (this.#entries.get(id) === entry) this.#entries.delete(id);
    } finally {
      if (entry.inFlight?.changes === changes) entry.inFlight = undefined;
    }
  }

  async #follow(): Promise<void> {
    for (let first = true; !this.#closing.signal.aborted; first = false) {
      try {
        await this.#followOnce();
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        const lost = this.#connected;
        this.#connected = false;
        const cause = new CriError("unavailable", error instanceof Error ? error.message : String(error), {
          cause: error,
        });
        this.#attempt.reject(cause);
        this.#attempt = deferred();
        this.hooks.lost?.(cause);
        if (lost || first)
          this.log.warn("Docker's event stream is lost; reads wait for a new one", { error });
      }
      this.#wake = new AbortController();
      await pauseUntil(retryMs, this.#wake.signal);
    }
  }

  /** One event stream's life: open, list, follow. Always ends by throwing. */
  async #followOnce(): Promise<never> {
    const opening = new AbortController();
    const timer = setTimeout(
      () => opening.abort(new Error("the Docker Engine does not answer")),
      openLimitMs,
    );
    const signal = AbortSignal.any([this.#closing.signal, opening.signal]);
    let events: AsyncIterable<EngineEvent>;
    try {
      const since = Math.floor(Date.now() / 1000) - overlapSeconds;
      events = await this.engine.events(
        { type: ["container"], event: relevant, label: [typeLabel] },
        since,
        signal,
      );
      await this.#relist();
    } finally {
      clearTimeout(timer);
    }
    this.#connected = true;
    this.#attempt.resolve();
    this.log.info("inventory is complete", { entries: this.#entries.size });
    this.hooks.complete?.(new Set(this.#entries.keys()));
    for (const [id, { kind }] of this.#entries) if (kind === "container") this.#lookSoon(id);
    for await (const event of events) this.#apply(event);
    throw new CriError("unavailable", "the Docker Engine ended the event stream");
  }

  /** Everything that Docker lists is stale, everything else gone: but what was made while it listed. */
  async #relist(): Promise<void> {
    const before = new Map([...this.#entries].map(([id, { changes }]) => [id, changes]));
    const listed = new Map<string, Kind>();
    for (const { Id, Labels } of await this.engine.listContainers({ label: [typeLabel] })) {
      const kind = kindOf(Labels);
      if (kind) listed.set(Id, kind);
    }
    for (const [id, { changes }] of this.#entries) {
      if (!listed.has(id) && before.get(id) === changes) this.#entries.delete(id);
    }
    for (const [id, kind] of listed) this.touch(id, kind);
  }

  #apply({ Action, Actor }: EngineEvent): void {
    const kind = kindOf(Actor.Attributes);
    if (!kind) return;
    if (kind === "podsandbox" && (Action === "die" || Action === "destroy")) this.hooks.ended?.(Actor.ID);
    if (Action === "destroy") {
      this.forget(Actor.ID);
      this.hooks.gone?.(Actor.ID, kind);
      return;
    }
    this.touch(Actor.ID, kind);
    if (kind === "container" && (Action === "start" || Action === "die")) this.#lookSoon(Actor.ID);
  }
}

const words: Record<Kind, string> = { podsandbox: "pod sandbox", container: "container" };
