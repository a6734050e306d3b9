import { addAbortSignal, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ContainerInspect, Engine, EngineEvent } from "../../src/docker/engine.js";
import { CriError } from "../../src/errors.js";

type InventoryEngine = Pick<Engine, "events" | "listContainers" | "inspectContainer">;

/** A daemon of which a test decides what it has, when it answers and what it tells. */
export class ScriptedEngine implements InventoryEngine {
  readonly containers = new Map<string, ContainerInspect>();
  /** Every call, in order: "events", "list", "inspect <id>". */
  readonly calls: string[] = [];
  /** Nothing can be reached. */
  down = false;
  /** Answers are held back until this is resolved; what they say was true when they were asked. */
  hold: Promise<unknown> = Promise.resolve();
  #stream: Readable | undefined;

  constructor(...containers: ContainerInspect[]) {
    for (const container of containers) this.containers.set(container.Id, container);
  }

  async events(_filters: unknown, _since: number, signal: AbortSignal): Promise<AsyncIterable<EngineEvent>> {
    await this.#answer("events", () => undefined);
    this.#stream = addAbortSignal(signal, new Readable({ objectMode: true, read: () => undefined }));
    // A reader gets the error from its iterator; before there is one, it must not end the test.
    this.#stream.on("error", () => undefined);
    return this.#stream as AsyncIterable<EngineEvent>;
  }

  listContainers() {
    return this.#answer("list", () =>
      [...this.containers.values()].map(({ Id, Name, Image, Config: { Labels } }) => ({
        Id,
        Names: [Name],
        ImageID: Image,
        Labels,
      })),
    );
  }

  inspectContainer(id: string): Promise<ContainerInspect> {
    return this.#answer(`inspect ${id}`, () => {
      const found = this.containers.get(id);
      if (!found) throw new CriError("notFound", `No such container: ${id}`);
      return found;
    });
  }

  /** How often a container was looked at. */
  looks(id: string): number {
    return this.calls.filter((call) => call === `inspect ${id}`).length;
  }

  /** Changes a container without a word. */
  change(id: string, state: Partial<ContainerInspect["State"]>): void {
    const container = this.containers.get(id);
    if (container) this.containers.set(id, { ...container, State: { ...container.State, ...state } });
  }

  /** Tells of it, and lets the listener hear. */
  async tell(Action: string, id: string, labels: Record<string, string> = {}): Promise<void> {
    this.push(Action, id, labels);
    await turns();
  }

  /** Tells of it, among others. */
  push(Action: string, id: string, labels: Record<string, string> = {}): void {
    const known = this.containers.get(id)?.Config.Labels ?? {};
    const Actor = { ID: id, Attributes: { ...known, ...labels } };
    this.#stream?.push({ Type: "container", Action, Actor, timeNano: 0 } satisfies EngineEvent);
  }

  /** Tells of something else than a container. */
  async tellOf(Type: "image" | "network", Action: string): Promise<void> {
    const Actor = { ID: `some ${Type}`, Attributes: {} };
    this.#stream?.push({ Type, Action, Actor, timeNano: 0 } satisfies EngineEvent);
    await turns();
  }

  /** Breaks the event stream off, with an error or as if the daemon had closed it. */
  async lose(error?: Error): Promise<void> {
    if (error) this.#stream?.destroy(error);
    else this.#stream?.push(null);
    await turns();
  }

  async #answer<T>(call: string, answer: () => T): Promise<T> {
    this.calls.push(call);
    if (this.down) throw new CriError("unavailable", "cannot reach the Docker Engine");
    const { hold } = this;
    let reply: () => T;
    try {
      const value = answer();
      reply = () => value;
    } catch (error) {
      reply = () => {
        throw error;
      };
    }
    await hold;
    return reply();
  }
}

/** Lets everything that can happen now happen. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}
