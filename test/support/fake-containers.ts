/**
 * The fake engine's containers: Docker's state machine, its refusals with their HTTP status and its words, and
 * what inspect says in each state. Their processes do nothing, and leave at once on a stop signal.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type {
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  ContainerUpdate,
  Filters,
  HostConfigInspect,
} from "../../src/docker/engine.js";
import { hasLabel, type FakeEvents } from "./fake-events.js";
import type { FakeImages } from "./fake-images.js";
import type { FakeNetworks } from "./fake-networks.js";
import { refusal } from "./fake-refusal.js";

/** Docker's "not yet". */
const never = "0001-01-01T00:00:00Z";
/** What the engine itself puts into a container's resolv.conf, at every start. */
export const engineResolvConf = "nameserver 192.0.2.53\n";

export class FakeContainers {
  /** Ids for the next containers, for tests about prefixes; random ones when it is empty. */
  readonly ids: string[] = [];
  /** Names that Docker holds for containers that it cannot find any more. */
  readonly ghosts = new Set<string>();
  /** Where the containers' files are made. */
  directory: string;
  readonly #all = new Map<string, ContainerInspect>();
  readonly #options = new Map<string, ContainerCreateOptions>();
  #ticks = 0;

  constructor(
    directory: string,
    private readonly images: FakeImages,
    private readonly networks: FakeNetworks,
    private readonly events: FakeEvents,
  ) {
    this.directory = directory;
  }

  get names(): string[] {
    return [...this.#all.values()].map(({ Name }) => Name.slice(1)).sort();
  }

  /** What it was created with. */
  optionsOf(reference: string): ContainerCreateOptions {
    return this.#options.get(this.#find(reference).Id) ?? {};
  }

  list(filters: Filters): ContainerSummary[] {
    const matches = ({ Config, Image }: ContainerInspect): boolean =>
      Object.entries(filters).every(([key, values]) => {
        if (key === "label") return hasLabel(Config.Labels, values);
        if (key === "ancestor") return values.includes(Image);
        throw new Error(`the fake engine does not filter containers by ${key}`);
      });
    return [...this.#all.values()]
      .filter(matches)
      .map(({ Id, Name, Image, Config }) => ({ Id, Names: [Name], ImageID: Image, Labels: Config.Labels }));
  }

  /** By id, unique id prefix or name; a copy, as over a wire. */
  inspect(reference: string): ContainerInspect {
    return structuredClone(this.#find(reference));
  }

  create({ name = randomBytes(4).toString("hex"), ...options }: ContainerCreateOptions): { id: string } {
    const holder = [...this.#all.values()].find(({ Name }) => Name === `/${name}`)?.Id;
    if (holder !== undefined || this.ghosts.has(name)) {
      throw refusal(
        409,
        `Conflict. The container name "/${name}" is already in use by container "${holder ?? "gone"}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    const image = this.images.find(options.Image ?? "");
    if (!image) throw refusal(404, `No such image: ${options.Image}`);
    const id = this.ids.shift() ?? randomBytes(32).toString("hex");
    mkdirSync(this.folderOf(id), { recursive: true });
    this.#options.set(id, { name, ...options });
    this.#all.set(id, {
      Id: id,
      Name: `/${name}`,
      Created: this.#now(),
      Image: image.Id,
      // Docker knows the two paths from the first start on.
      LogPath: "",
      ResolvConfPath: "",
      State: created(),
      Config: {
        Labels: { ...image.Config?.Labels, ...options.Labels },
        Image: options.Image ?? "",
        Tty: options.Tty ?? false,
        OpenStdin: options.OpenStdin ?? false,
        StdinOnce: options.StdinOnce ?? false,
        Env: options.Env ?? null,
        User: options.User || (image.Config?.User ?? ""),
        ...(options.StopSignal !== undefined ? { StopSignal: options.StopSignal } : {}),
      },
      HostConfig: toHostConfig(options.HostConfig),
      Mounts: (options.HostConfig?.Mounts ?? []).map(({ Type, Source, Target, ReadOnly, BindOptions }) => ({
        Type,
        Source,
        Destination: Target,
        RW: !ReadOnly,
        Propagation: BindOptions?.Propagation ?? "rprivate",
      })),
      NetworkSettings: { Networks: null },
    });
    const network = ownNetwork(options.HostConfig?.NetworkMode ?? "default");
    if (network !== undefined) this.networks.created(id, network);
    this.#publish("create", id);
    return { id };
  }

  start(reference: string): void {
    const container = this.#find(reference);
    const { Id, State, HostConfig } = container;
    if (State.Paused) throw refusal(409, "cannot start a paused container, try unpause instead");
    if (State.Running) return;
    const options = this.#options.get(Id);
    const joined = joinedContainer(HostConfig);
    if (joined !== undefined && !this.#find(joined).State.Running) {
      throw refusal(409, `cannot join network of a non running container: ${joined}`);
    }
    const [command] = [options?.Entrypoint ?? []].flat();
    if (command?.startsWith("/missing")) {
      const message = `exec: "${command}": stat ${command}: no such file or directory: unknown`;
      Object.assign(State, { ExitCode: 127, Error: message });
      throw refusal(400, message);
    }
    const network = ownNetwork(HostConfig.NetworkMode);
    if (network !== undefined) container.NetworkSettings = { Networks: this.networks.started(container) };
    const folder = this.folderOf(Id);
    container.ResolvConfPath =
      joined === undefined ? join(folder, "resolv.conf") : this.#find(joined).ResolvConfPath;
    if (joined === undefined) writeFileSync(container.ResolvConfPath, engineResolvConf);
    if (options?.HostConfig?.LogConfig?.Type === "json-file") {
      container.LogPath = join(folder, `${Id}-json.log`);
      writeFileSync(container.LogPath, `{"log":"started\\n","stream":"stdout","time":"${this.#now()}"}\n`, {
        flag: "a",
      });
    }
    container.State = {
      ...created(),
      Status: "running",
      Running: true,
      Pid: 2 ** 22 + this.#ticks,
      StartedAt: this.#now(),
    };
    if (HostConfig.NetworkMode === "bridge") {
      const IPAddress = `172.17.0.${2 + [...this.#all.keys()].indexOf(Id)}`;
      container.NetworkSettings = { Networks: { bridge: { IPAddress, GlobalIPv6Address: "" } } };
    }
    this.#publish("start", Id);
  }

  /** Paused processes are thawed to be stopped, as Docker does. */
  stop(reference: string, graceSeconds: number): void {
    const { Id, State } = this.#find(reference);
    if (!State.Running) return;
    this.exit(Id, graceSeconds === 0 ? 137 : 0);
    this.#publish("stop", Id);
  }

  /** Its process ends, whoever ended it. */
  exit(reference: string, ExitCode: number, { oomKilled = false } = {}): void {
    const container = this.#find(reference);
    Object.assign(container.State, {
      Status: "exited",
      Running: false,
      Paused: false,
      OOMKilled: oomKilled,
      Pid: 0,
      ExitCode,
      FinishedAt: this.#now(),
    });
    for (const network of Object.values(container.NetworkSettings.Networks ?? {})) {
      Object.assign(network, { IPAddress: "", GlobalIPv6Address: "" });
    }
    this.networks.ended(container.Id);
    if (oomKilled) this.#publish("oom", container.Id);
    this.#publish("die", container.Id);
  }

  pause(reference: string): void {
    const { Id, State } = this.#find(reference);
    if (!State.Running) throw refusal(409, `Container ${Id} is not running`);
    if (State.Paused) throw refusal(409, `Container ${Id} is already paused`);
    Object.assign(State, { Status: "paused", Paused: true });
    this.#publish("pause", Id);
  }

  unpause(reference: string): void {
    const { Id, State } = this.#find(reference);
    if (!State.Paused) throw refusal(500, `Container ${Id} is not paused`);
    Object.assign(State, { Status: "running", Paused: false });
    this.#publish("unpause", Id);
  }

  update(reference: string, update: ContainerUpdate): void {
    const { Id, HostConfig } = this.#find(reference);
    Object.assign(HostConfig, update);
    this.#publish("update", Id);
  }

  remove(reference: string, { force }: { force: boolean }): void {
    const { Id, State } = this.#find(reference);
    if (State.Running && !force) {
      throw refusal(
        409,
        `You cannot remove a ${State.Status} container ${Id}. Stop the container before attempting removal or force remove`,
      );
    }
    if (State.Running) this.exit(Id, 137);
    this.#publish("destroy", Id);
    this.networks.removed(Id);
    this.#all.delete(Id);
  }

  #find(reference: string): ContainerInspect {
    const exact =
      this.#all.get(reference) ??
      [...this.#all.values()].find(({ Name }) => Name === `/${reference.replace(/^\//, "")}`);
    const matches = exact ? [exact] : [...this.#all.values()].filter(({ Id }) => Id.startsWith(reference));
    if (matches.length > 1) throw refusal(500, `multiple IDs found with provided prefix: ${reference}`);
    const [found] = matches;
    if (!found) throw refusal(404, `No such container: ${reference}`);
    return found;
  }

  #publish(action: string, id: string): void {
    const { Name, Config } = this.#find(id);
    this.events.publish("container", action, id, {
      ...Config.Labels,
      name: Name.slice(1),
      image: Config.Image,
    });
  }

  /** Where Docker keeps a container's own files. */
  folderOf(id: string): string {
    return join(this.directory, "containers", id);
  }

  /** No two moments are the same, as with Docker's nanoseconds. */
  #now(): string {
    return new Date().toISOString().replace("Z", `${String(++this.#ticks).padStart(6, "0")}Z`);
  }
}

const created = (): ContainerState => ({
  Status: "created",
  Running: false,
  Paused: false,
  OOMKilled: false,
  Pid: 0,
  ExitCode: 0,
  Error: "",
  StartedAt: never,
  FinishedAt: never,
});

const joinedContainer = ({ NetworkMode }: HostConfigInspect): string | undefined =>
  /^container:(.+)$/.exec(NetworkMode)?.[1];

/** The network that was made for containers; undefined for a mode that is always there. */
const ownNetwork = (mode: string): string | undefined =>
  /^(default|bridge|host|none|container:.*)?$/.test(mode) ? undefined : mode;

const toHostConfig = (wanted: HostConfig = {}): HostConfigInspect => ({
  NetworkMode: wanted.NetworkMode ?? "default",
  IpcMode: wanted.IpcMode ?? "private",
  PidMode: wanted.PidMode ?? "",
  Runtime: wanted.Runtime ?? "runc",
  CgroupParent: wanted.CgroupParent ?? "",
  LogConfig: { Type: "json-file", Config: {}, ...wanted.LogConfig },
  CpuShares: wanted.CpuShares ?? 0,
  CpuQuota: wanted.CpuQuota ?? 0,
  CpuPeriod: wanted.CpuPeriod ?? 0,
  CpusetCpus: wanted.CpusetCpus ?? "",
  CpusetMems: wanted.CpusetMems ?? "",
  Memory: wanted.Memory ?? 0,
  MemorySwap: wanted.MemorySwap ?? 0,
  OomScoreAdj: wanted.OomScoreAdj ?? 0,
  GroupAdd: wanted.GroupAdd ?? null,
});
