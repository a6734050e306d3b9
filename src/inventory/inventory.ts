/**
 * What is in Docker, as far as it is ours: the view that lists and statuses are answered from.
 *
 * Filled by one list when the event stream opens and kept true by the events. The rules that keep it honest:
 * - an event for a container makes its cached inspect stale at once. It is inspected again in the background, and a
 *   read that comes first waits for that;
 * - our own writes call `touch`, so that a caller's next read sees them, whenever their event arrives;
 * - a lost event stream makes everything stale: no answer until a new stream is open and the list is made anew;
 * - while Docker cannot be reached, reads fail with `unavailable` instead of telling old news;
 * - no rule depends on the time of day, which somebody may set.
 */
import type { ContainerInspect, Engine, EngineEvent } from "../docker/engine.js";
import { CriError, messageOf } from "../errors.js";
import { kindOf, typeLabel, type Kind } from "../kube/labels.js";
import type { Log } from "../log.js";
import { deferred, mapLimited, pauseUntil } from "../waiting.js";
import { changesBetween, endOf, type Change } from "./changes.js";
import { Entries, words } from "./entries.js";

type InventoryEngine = Pick<Engine, "events" | "listContainers" | "inspectContainer">;

export interface InventoryHooks {
  /** The event stream was lost: Docker may come back as another version. */
  lost(reason: CriError): void;
  /** A sandbox's process has ended, and with it its network; events that are lost are not made up for. */
  ended(sandboxId: string): void;
  /** A container as it has just been inspected; no read sees it before this has resolved. */
  seen(container: ContainerInspect): Promise<void>;
  /**
   * Something has happened to a container or a sandbox, also while the event stream was lost. Not told of what there was
   * at the start.
   * @param container as it is now, or was last
   */
  changed(container: ContainerInspect, change: Change): void;
  /** A sandbox or container is no more, whoever removed it; also told of those whose removal was ours. */
  gone(id: string, kind: Kind): void;
  /** All that there is, by id, when the view has become complete. */
  complete(ids: ReadonlySet<string>): void;
  /** Images have come, gone, or got other names. */
  imagesChanged(): void;
  /** Docker's networks have come or gone. */
  networksChanged(): void;
}

/** Container events after which an inspect may read differently; networks have two of these names. */
const containerEvents = [
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
const imageEvents = ["tag", "untag", "delete", "pull", "load", "import"];
/** Docker answers a subscription before it registers it, so the events of the last seconds are replayed. */
const overlapSeconds = 5;
const openLimitMs = 10_000;
const retryMs = 500;
/** In the background; less than there may be for a read, which is waited for. */
const concurrentInspects = 8;
/** Between two rounds of inspects in the background, so that a flood of events costs no more than this. */
const restMs = 50;

export class Inventory {
  readonly #entries: Entries;
  readonly #closing = new AbortController();
  #connected = false;
  /** The attempt to become complete that is under way; reads wait for it. */
  #attempt = deferred();
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #refreshing = false;
  /** The first list has been made. */
  #begun = false;
  /** Those of the first list, of which nothing is told but what happens later. */
  readonly #first = new Set<string>();

  constructor(
    private readonly engine: InventoryEngine,
    private readonly log: Log,
    private readonly hooks: Partial<InventoryHooks> = {},
  ) {
    this.#entries = new Entries((id) => engine.inspectContainer(id), {
      ...(hooks.seen && { seen: hooks.seen }),
      looked: (after, before) => {
        if (this.#first.delete(after.Id) && !before) return;
        for (const change of changesBetween(before, after)) hooks.changed?.(after, change);
      },
      dropped: (id, last) => {
        this.#first.delete(id);
        if (!last) return;
        for (const change of endOf(last, BigInt(Date.now()) * 1_000_000n)) hooks.changed?.(last, change);
      },
    });
  }

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

  /** Every container of that kind, the newest first; the same value until something changes. */
  async list(kind: Kind): Promise<readonly ContainerInspect[]> {
    if (!this.#connected) await this.ready();
    return (await this.#entries.view(kind)).all;
  }

  /** The containers of a sandbox, by the sandbox's full id, the newest first. */
  async containersOf(sandboxId: string): Promise<readonly ContainerInspect[]> {
    await this.ready();
    return (await this.#entries.view("container")).bySandbox.get(sandboxId) ?? [];
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
    const full = this.#entries.resolve(kind, id);
    return full === undefined ? undefined : await this.#entries.fresh(full);
  }

  /** How many of that kind are known; at once, and old while Docker is away. */
  count(kind: Kind): number {
    return this.#entries.count(kind);
  }

  /** To be called after every write of ours: what is known of this container is old. */
  touch(id: string, kind: Kind): void {
    this.#entries.touch(id, kind);
  }

  /** To be called after a removal of ours. */
  forget(id: string): void {
    this.#entries.drop(id);
  }

  /** Looks again at all that is stale, in rounds, until nothing is. Whoever reads first looks by himself. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const { signal } = this.#closing;
    const failed = new Set<string>();
    for (;;) {
      const ids = this.#entries.staleIds.filter((id) => !failed.has(id));
      if (ids.length === 0) break;
      await mapLimited(ids, concurrentInspects, async (id) => {
        if (!this.#connected || signal.aborted) return;
        await this.#entries.fresh(id).catch((error: unknown) => {
          failed.add(id);
          this.log.debug("a container could not be inspected", { id, error });
        });
      });
      await pauseUntil(restMs, signal);
      if (!this.#connected || signal.aborted) break;
    }
    this.#refreshing = false;
  }

  async #follow(): Promise<void> {
    for (let first = true; !this.#closing.signal.aborted; first = false) {
      try {
        await this.#followOnce();
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        const lost = this.#connected;
        this.#connected = false;
        const cause = new CriError("unavailable", messageOf(error), { cause: error });
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
        { type: ["container", "image", "network"], event: [...containerEvents, ...imageEvents] },
        since,
        signal,
      );
      await this.#relist();
    } finally {
      clearTimeout(timer);
    }
    this.#connected = true;
    this.#attempt.resolve();
    const { ids } = this.#entries;
    this.log.info("inventory is complete", { entries: ids.size });
    this.hooks.complete?.(ids);
    void this.#refresh();
    for await (const event of events) this.#apply(event);
    throw new CriError("unavailable", "the Docker Engine ended the event stream");
  }

  /** Everything that Docker lists is stale, everything else gone: but what was made while it listed. */
  async #relist(): Promise<void> {
    const before = this.#entries.counts();
    const listed = new Map<string, Kind>();
    for (const { Id, Labels } of await this.engine.listContainers({ label: [typeLabel] })) {
      const kind = kindOf(Labels);
      if (kind) listed.set(Id, kind);
    }
    for (const [id, changes] of this.#entries.counts()) {
      if (!listed.has(id) && before.get(id) === changes) this.#entries.drop(id);
    }
    if (!this.#begun) for (const id of listed.keys()) this.#first.add(id);
    this.#begun = true;
    for (const [id, kind] of listed) this.touch(id, kind);
  }

  #apply({ Type, Action, Actor }: EngineEvent): void {
    if (Type === "image") {
      this.hooks.imagesChanged?.();
      return;
    }
    if (Type === "network") {
      this.hooks.networksChanged?.();
      return;
    }
    const kind = kindOf(Actor.Attributes);
    if (!kind) return;
    if (kind === "podsandbox" && (Action === "die" || Action === "destroy")) this.hooks.ended?.(Actor.ID);
    if (Action === "destroy") {
      this.forget(Actor.ID);
      this.hooks.gone?.(Actor.ID, kind);
      return;
    }
    this.touch(Actor.ID, kind);
    void this.#refresh();
  }
}
