/**
 * What is known of each container, and how much of it is old. A look at Docker answers for the moment at which it was
 * begun; whatever is told of a container after that needs another one.
 */
import type { ContainerInspect } from "../docker/engine.js";
import { toNanos } from "../docker/time.js";
import { CriError, isKind } from "../errors.js";
import { sandboxIdLabel, type Kind } from "../kube/labels.js";
import { mapLimited } from "../waiting.js";

export interface EntriesHooks {
  /** A container as it has just been inspected; no read sees it before this has resolved. */
  seen?(container: ContainerInspect): Promise<void>;
  /** Another look was taken. @param before undefined when it was the first */
  looked?(after: ContainerInspect, before: ContainerInspect | undefined): void;
  /** It is no more. @param last as it was seen last; undefined when it never was */
  dropped?(id: string, last: ContainerInspect | undefined): void;
}

interface Entry {
  kind: Kind;
  /** Counts the reasons to look again. An inspect answers for the count at which it was begun. */
  changes: number;
  /** The count that `inspect` answers for; -1 before the first. */
  seen: number;
  inspect: ContainerInspect | undefined;
  inFlight: { changes: number; done: Promise<void> } | undefined;
}

/** What reads have in common until something changes. */
interface View {
  all: readonly ContainerInspect[];
  bySandbox: ReadonlyMap<string, readonly ContainerInspect[]>;
}

const concurrentInspects = 16;

export class Entries {
  readonly #entries = new Map<string, Entry>();
  /** Ids of those that have to be looked at before they can be told. */
  readonly #stale = new Set<string>();
  readonly #views = new Map<Kind, View>();

  constructor(
    private readonly inspect: (id: string) => Promise<ContainerInspect>,
    private readonly hooks: EntriesHooks,
  ) {}

  get ids(): ReadonlySet<string> {
    return new Set(this.#entries.keys());
  }

  get staleIds(): string[] {
    return [...this.#stale];
  }

  /** The count of changes of each, to be compared later. */
  counts(): Map<string, number> {
    return new Map([...this.#entries].map(([id, { changes }]) => [id, changes]));
  }

  kindOf(id: string): Kind | undefined {
    return this.#entries.get(id)?.kind;
  }

  count(kind: Kind): number {
    let found = 0;
    for (const entry of this.#entries.values()) if (entry.kind === kind) found++;
    return found;
  }

  /** There is a container, and what is known of it is old. */
  touch(id: string, kind: Kind): void {
    const entry = this.#entries.get(id);
    if (entry) entry.changes++;
    else this.#entries.set(id, { kind, changes: 0, seen: -1, inspect: undefined, inFlight: undefined });
    this.#stale.add(id);
    this.#views.delete(kind);
  }

  /** It is no more. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#stale.delete(id);
    this.#views.delete(entry.kind);
    this.hooks.dropped?.(id, entry.inspect);
  }

  /** All of a kind, the newest first; the same value until something changes. */
  async view(kind: Kind): Promise<View> {
    const known = this.#views.get(kind);
    if (known) return known;
    const stale = this.staleIds.filter((id) => this.kindOf(id) === kind);
    await mapLimited(stale, concurrentInspects, (id) => this.fresh(id));
    const view = viewOf(
      [...this.#entries.values()].flatMap(({ kind: own, inspect }) =>
        own === kind && inspect ? [inspect] : [],
      ),
    );
    const changed = this.staleIds.some((id) => this.kindOf(id) === kind);
    if (!changed) this.#views.set(kind, view);
    return view;
  }

  /** An inspect that is at least as new as this call; undefined for a container that is not there. */
  async fresh(id: string): Promise<ContainerInspect | undefined> {
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

  /**
   * The full id of the one container of that kind whose id is, or begins with, `id`.
   * @throws CriError invalid when several begin so
   */
  resolve(kind: Kind, id: string): string | undefined {
    if (this.kindOf(id) === kind) return id;
    const matches = [...this.#entries].filter(([full, entry]) => entry.kind === kind && full.startsWith(id));
    if (matches.length > 1) {
      throw new CriError(
        "invalid",
        `id ${JSON.stringify(id)} is ambiguous: ${matches.length} ${words[kind]}s begin so`,
      );
    }
    return matches[0]?.[0];
  }

  async #look(id: string, entry: Entry, changes: number): Promise<void> {
    try {
      const inspect = await this.inspect(id);
      // One that was destroyed meanwhile is not to be shown after its end was told.
      if (this.#entries.get(id) !== entry) return;
      if (entry.kind === "container") await this.hooks.seen?.(inspect);
      if (changes <= entry.seen || this.#entries.get(id) !== entry) return;
      const before = entry.inspect;
      Object.assign(entry, { inspect, seen: changes });
      this.#views.delete(entry.kind);
      if (entry.changes === changes) this.#stale.delete(id);
      this.hooks.looked?.(inspect, before);
    } catch (error) {
      if (!isKind(error, "notFound")) throw error;
      if (this.#entries.get(id) === entry) this.drop(id);
    } finally {
      if (entry.inFlight?.changes === changes) entry.inFlight = undefined;
    }
  }
}

function viewOf(found: ContainerInspect[]): View {
  const all = found
    .map((inspect) => ({ inspect, created: toNanos(inspect.Created) }))
    .sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0))
    .map(({ inspect }) => inspect);
  const bySandbox = new Map<string, ContainerInspect[]>();
  for (const inspect of all) {
    const sandboxId = inspect.Config.Labels[sandboxIdLabel];
    if (sandboxId === undefined) continue;
    const members = bySandbox.get(sandboxId);
    if (members) members.push(inspect);
    else bySandbox.set(sandboxId, [inspect]);
  }
  return { all, bySandbox };
}

export const words: Record<Kind, string> = { podsandbox: "pod sandbox", container: "container" };
