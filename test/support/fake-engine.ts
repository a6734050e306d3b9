/**
 * The engine port in memory. What Docker does is in the nouns beside this file; here is what can go wrong on
 * the way to it: failures, delays, and a daemon that is not there. A test that changes things behind the
 * server's back, as `docker stop` would, calls `containers`, `networks` and `images` themselves.
 */
import { mkdirSync } from "node:fs";
import type { ContainerCreateOptions, NetworkCreateOptions } from "dockerode";
import type {
  Engine,
  EngineInfo,
  AttachStreams,
  ContainerUpdate,
  ExecOptions,
  TerminalSize,
  Filters,
  FixedAddresses,
  ImageSource,
  PullProgress,
  RegistryAuth,
} from "../../src/docker/engine.js";
import { fromDocker } from "../../src/docker/errors.js";
import { FakeContainers } from "./fake-containers.js";
import { FakeEvents } from "./fake-events.js";
import { FakeExecs } from "./fake-execs.js";
import { FakeProcess } from "./fake-process.js";
import { FakeImages } from "./fake-images.js";
import { FakeNetworks } from "./fake-networks.js";
import { unreachable } from "./fake-refusal.js";

type Method = keyof Engine;

/** The next call of a method, stopped before it has done anything. */
export interface Held {
  /** Resolves when the call has come. */
  reached: Promise<void>;
  release(): void;
}

interface Hold extends Held {
  enter(): Promise<void>;
}

export class FakeEngine implements Engine {
  readonly images: FakeImages;
  readonly containers: FakeContainers;
  readonly networks: FakeNetworks;
  readonly execs = new FakeExecs();
  /** The containers' own processes, as those who attached see them, oldest first. */
  readonly attached: FakeProcess[] = [];
  /** Every call that was made, with its arguments. */
  readonly calls: { method: Method; args: unknown[] }[] = [];
  /** What `info` answers; a test may change it. */
  readonly facts: EngineInfo;
  readonly #events = new FakeEvents();
  readonly #failures = new Map<Method, Error[]>();
  readonly #holds = new Map<Method, Hold[]>();
  /** The daemon's life: aborted, with the reason, while it is down. */
  #life = new AbortController();

  /** @param directory stands for /var/lib/docker */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.images = new FakeImages(this.#events);
    this.networks = new FakeNetworks(this.#events);
    this.containers = new FakeContainers(directory, this.images, this.networks, this.#events);
    this.facts = { ...engineInfo, DockerRootDir: directory };
  }

  /** The next `times` calls of the method do nothing and reject with the error. */
  fail(method: Method, error: Error, times = 1): void {
    const failures = this.#failures.get(method) ?? [];
    this.#failures.set(method, [...failures, ...Array.from({ length: times }, () => error)]);
  }

  /** What is left of the failures of a method does not happen. */
  recover(method: Method): void {
    this.#failures.delete(method);
  }

  /**
   * The delay of this engine: a call waits for the test, not for a clock.
   * @param calls how many calls wait for it
   */
  hold(method: Method, calls = 1): Held {
    let release!: () => void;
    let arrive!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    const reached = new Promise<void>((resolve) => (arrive = resolve));
    const enter = () => {
      arrive();
      return released;
    };
    const hold = { reached, release, enter };
    const holds = Array.from({ length: calls }, () => hold);
    this.#holds.set(method, [...(this.#holds.get(method) ?? []), ...holds]);
    return {
      reached,
      release: () => {
        const left = this.#holds.get(method) ?? [];
        this.#holds.set(
          method,
          left.filter((other) => other !== hold),
        );
        release();
      },
    };
  }

  /** Nobody answers any more; streams break off. */
  down(): void {
    this.#life.abort(unreachable());
  }

  up(): void {
    this.#life = new AbortController();
  }

  /** As at the start, but for the server's event streams, which see everything go. */
  reset(): void {
    this.#failures.clear();
    for (const hold of [...this.#holds.values()].flat()) hold.release();
    this.#holds.clear();
    if (this.#life.signal.aborted) this.up();
    for (const name of this.containers.names) this.containers.remove(name, { force: true });
    this.containers.ghosts.clear();
    this.containers.ids.length = 0;
    this.networks.clear();
    this.images.clear();
    this.execs.scripts.clear();
    this.execs.processes.length = 0;
    this.execs.sizes.length = 0;
    this.attached.length = 0;
    this.calls.length = 0;
    this.#events.forgetHistory();
  }

  info = () => this.#do("info", [], () => this.facts);
  version = () =>
    this.#do("version", [], () => ({ Version: "28.5.2", ApiVersion: "1.51", MinAPIVersion: "1.24" }));

  listContainers = (filters: Filters, signal?: AbortSignal) =>
    this.#do("listContainers", [filters], () => this.containers.list(filters), signal);
  inspectContainer = (id: string, signal?: AbortSignal) =>
    this.#do("inspectContainer", [id], () => this.containers.inspect(id), signal);
  createContainer = (options: ContainerCreateOptions, signal?: AbortSignal) =>
    this.#do("createContainer", [options], () => this.containers.create(options), signal);
  startContainer = (id: string) => this.#do("startContainer", [id], () => this.containers.start(id));
  updateContainer = (id: string, update: ContainerUpdate) =>
    this.#do("updateContainer", [id, update], () => this.containers.update(id, update));
  stopContainer = (id: string, graceSeconds: number) =>
    this.#do("stopContainer", [id, graceSeconds], () => this.containers.stop(id, graceSeconds));
  removeContainer = (id: string, options: { force: boolean }) =>
    this.#do("removeContainer", [id, options], () => this.containers.remove(id, options));
  pauseContainer = (id: string) => this.#do("pauseContainer", [id], () => this.containers.pause(id));
  unpauseContainer = (id: string) => this.#do("unpauseContainer", [id], () => this.containers.unpause(id));

  readPath = (id: string, path: string, maxBytes: number) =>
    this.#do("readPath", [id, path], () =>
      this.images.readPath(this.containers.inspect(id).Image, path, maxBytes),
    );

  createExec = (id: string, { cmd, tty }: ExecOptions, signal?: AbortSignal) =>
    this.#do("createExec", [id, cmd], () => this.execs.create(this.containers.inspect(id), cmd, tty), signal);
  startExec = (id: string) => this.#do("startExec", [id], () => this.execs.start(id, this.#life.signal));
  inspectExec = (id: string, signal?: AbortSignal) =>
    this.#do("inspectExec", [id], () => this.execs.inspect(id), signal);
  resizeExec = (id: string, size: TerminalSize) =>
    this.#do("resizeExec", [id, size], () => this.execs.resize(id, size));
  attachContainer = (id: string, streams: AttachStreams) =>
    this.#do("attachContainer", [id, streams], () => this.#attach(id));
  resizeContainer = (id: string, size: TerminalSize) =>
    this.#do("resizeContainer", [id, size], () => void this.containers.inspect(id));

  createNetwork = (options: NetworkCreateOptions) =>
    this.#do("createNetwork", [options], () => this.networks.create(options));
  inspectNetwork = (reference: string) =>
    this.#do("inspectNetwork", [reference], () => this.networks.inspect(reference));
  removeNetwork = (reference: string) =>
    this.#do("removeNetwork", [reference], () => this.networks.remove(reference));
  connectNetwork = (reference: string, id: string, addresses: FixedAddresses) =>
    this.#do("connectNetwork", [reference, id, addresses], () =>
      this.networks.connect(reference, this.containers.inspect(id), addresses),
    );
  disconnectNetwork = (reference: string, id: string) =>
    this.#do("disconnectNetwork", [reference, id], () =>
      this.networks.disconnect(reference, this.containers.inspect(id)),
    );

  listImages = (signal?: AbortSignal) => this.#do("listImages", [], () => this.images.list(), signal);
  inspectImage = (reference: string, signal?: AbortSignal) =>
    this.#do("inspectImage", [reference], () => this.images.inspect(reference), signal);
  async *pullImage(
    source: ImageSource,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<PullProgress> {
    yield* await this.#do(
      "pullImage",
      [source, auth],
      () => this.images.pull(source, auth, AbortSignal.any([signal, this.#life.signal])),
      signal,
    );
  }
  removeImage = (reference: string, options: { force: boolean }) =>
    this.#do("removeImage", [reference, options], () => {
      const { Id } = this.images.inspect(reference);
      const users = this.containers.list({ ancestor: [Id] });
      this.images.remove(reference, options, users, (id) => this.containers.inspect(id));
    });
  diskUsage = (signal?: AbortSignal) =>
    this.#do(
      "diskUsage",
      [],
      () => ({ LayersSize: this.images.list().reduce((sum, { Size }) => sum + Size, 0) }),
      signal,
    );

  events = (filters: Filters, since: number, signal: AbortSignal) =>
    this.#do(
      "events",
      [filters, since],
      () => this.#events.follow(filters, since, AbortSignal.any([signal, this.#life.signal])),
      signal,
    );

  #attach(id: string): FakeProcess {
    const process = new FakeProcess(this.containers.inspect(id).Config.Tty);
    this.attached.push(process);
    return process;
  }

  async #do<T>(method: Method, args: unknown[], work: () => T, signal?: AbortSignal): Promise<T> {
    this.calls.push({ method, args });
    await this.#holds.get(method)?.shift()?.enter();
    if (this.#life.signal.aborted) throw this.#life.signal.reason;
    if (signal?.aborted) throw fromDocker(method, signal.reason, signal);
    const failure = this.#failures.get(method)?.shift();
    if (failure) throw failure;
    return work();
  }
}

const engineInfo: EngineInfo = {
  ID: "FAKE",
  ServerVersion: "28.5.2",
  DockerRootDir: "",
  Driver: "overlay2",
  CgroupDriver: "cgroupfs",
  CgroupVersion: "2",
  KernelVersion: "6.1.0",
  OperatingSystem: "Debian GNU/Linux 12 (bookworm)",
  SecurityOptions: ["name=seccomp,profile=builtin"],
  Runtimes: { runc: {}, crun: {} },
  DefaultRuntime: "runc",
  LiveRestoreEnabled: false,
};
