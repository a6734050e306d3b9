/** The fake engine's event stream: what has happened, and what happens while somebody listens. */
import { fromDocker } from "../../src/docker/errors.js";
import type { EngineEvent, Filters } from "../../src/docker/engine.js";

export class FakeEvents {
  readonly #all: EngineEvent[] = [];
  readonly #listeners = new Set<() => void>();
  /** Where the history begins that a new listener is told. */
  #first = 0;

  publish(Type: string, Action: string, ID: string, Attributes: Record<string, string>): void {
    this.#all.push({ Type, Action, Actor: { ID, Attributes }, timeNano: Date.now() * 1e6 });
    for (const wake of this.#listeners) wake();
  }

  /** New listeners hear nothing of what has been: an engine has no history of ids that a test uses again. */
  forgetHistory(): void {
    this.#first = this.#all.length;
  }

  /** Replays what happened from `since` (seconds) on, then goes on until the signal fires. */
  async *follow(filters: Filters, since: number, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    for (let next = this.#first; ; next++) {
      while (next >= this.#all.length) await this.#more(signal);
      const event = this.#all[next];
      if (event && event.timeNano >= since * 1e9 && matches(event, filters)) yield event;
    }
  }

  async #more(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#listeners.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#listeners.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
    if (signal.aborted) throw fromDocker("read the engine's events", signal.reason, signal);
  }
}

/** Docker's filters: every key must match, by any of its values. */
const matches = ({ Type, Action, Actor }: EngineEvent, filters: Filters): boolean =>
  Object.entries(filters).every(([key, values]) => {
    if (key === "type") return values.includes(Type);
    if (key === "event") return values.includes(Action);
    if (key === "label") return hasLabel(Actor.Attributes, values);
    throw new Error(`the fake engine does not filter events by ${key}`);
  });

/** @param wanted "key" or "key=value"; all of them are needed, unlike with other filters */
export const hasLabel = (labels: Record<string, string>, wanted: string[]): boolean =>
  wanted.every((text) => {
    const [key = "", ...value] = text.split("=");
    return key in labels && (value.length === 0 || labels[key] === value.join("="));
  });
