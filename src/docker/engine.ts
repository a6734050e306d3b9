/**
 * The engine port: what we ask of Docker, in the fewest words. dockerode-engine.ts implements it on a real
 * daemon, test/support/fake-engine.ts in memory. Every method rejects with a CriError; shapes are the Engine
 * API's own JSON, narrowed to the fields that we read.
 */
import type { Duplex } from "node:stream";
import type { ContainerCreateOptions, MountSettings, NetworkCreateOptions } from "dockerode";

export interface Engine {
  info(signal?: AbortSignal): Promise<EngineInfo>;
  version(signal?: AbortSignal): Promise<EngineVersion>;

  /** All containers, running or not, that match; ids and labels only. */
  listContainers(filters: Filters, signal?: AbortSignal): Promise<ContainerSummary[]>;
  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerInspect>;
  createContainer(options: ContainerCreateOptions, signal?: AbortSignal): Promise<{ id: string }>;
  startContainer(id: string): Promise<void>;
  /** Changes limits, of a running container at once; what is absent stays. */
  updateContainer(id: string, update: ContainerUpdate): Promise<void>;
  /** Sends the container's stop signal, and SIGKILL after the grace period; 0 kills at once. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string, options: { force: boolean }): Promise<void>;
  pauseContainer(id: string): Promise<void>;
  unpauseContainer(id: string): Promise<void>;
  /**
   * What is at a path of the container's file system, whether it runs or not.
   * @throws CriError notFound where there is nothing, or no such container; exhausted for a file of more than `maxBytes`
   */
  readPath(containerId: string, path: string, maxBytes: number): Promise<ContainerPath>;

  createExec(containerId: string, options: ExecOptions, signal?: AbortSignal): Promise<{ id: string }>;
  /** Starts it; the stream carries Docker's multiplexed frames, or raw bytes when `tty`. */
  startExec(id: string, options: { tty: boolean }): Promise<Duplex>;
  inspectExec(id: string, signal?: AbortSignal): Promise<ExecInspect>;
  resizeExec(id: string, size: TerminalSize): Promise<void>;

  /** The streams of the container's own process; framed as an exec's, unless the container has a terminal. */
  attachContainer(id: string, streams: AttachStreams): Promise<Duplex>;
  resizeContainer(id: string, size: TerminalSize): Promise<void>;

  createNetwork(options: NetworkCreateOptions): Promise<{ id: string }>;
  /** By name or id. */
  inspectNetwork(reference: string): Promise<NetworkInspect>;
  removeNetwork(reference: string): Promise<void>;
  /** Of a container that does not run: it gets these addresses, or any, when it is started. */
  connectNetwork(reference: string, containerId: string, addresses: FixedAddresses): Promise<void>;
  disconnectNetwork(reference: string, containerId: string): Promise<void>;

  listImages(signal?: AbortSignal): Promise<ImageSummary[]>;
  /** By id, unique id prefix, tag or digest. */
  inspectImage(reference: string, signal?: AbortSignal): Promise<ImageInspect>;
  /** Pulls; yields the daemon's progress messages and ends when the image is there. */
  pullImage(
    image: ImageSource,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): AsyncIterable<PullProgress>;
  removeImage(reference: string, options: { force: boolean }): Promise<void>;
  diskUsage(signal?: AbortSignal): Promise<DiskUsage>;

  /**
   * Container and image events from `since` (seconds) on. The iterator ends or throws when the stream is
   * lost; the promise settles when the daemon has accepted the subscription.
   */
  events(filters: Filters, since: number, signal: AbortSignal): Promise<AsyncIterable<EngineEvent>>;
}

/** With options that dockerode does not know; engines ignore those that are newer than they are. */
export interface EngineMount extends MountSettings {
  BindOptions?: MountSettings["BindOptions"] & {
    /** API 1.42 */
    CreateMountpoint?: boolean;
    /** API 1.44 */
    ReadOnlyNonRecursive?: boolean;
    /** API 1.44 */
    ReadOnlyForceRecursive?: boolean;
  };
}

/** Docker's filter form: every key must match, by any of its values. */
export type Filters = Record<string, string[]>;

export interface EngineVersion {
  Version: string;
  ApiVersion: string;
  MinAPIVersion?: string;
}

export interface EngineInfo {
  ID: string;
  ServerVersion: string;
  DockerRootDir: string;
  Driver: string;
  CgroupDriver: string;
  CgroupVersion?: string;
  KernelVersion: string;
  OperatingSystem: string;
  SecurityOptions: string[] | null;
  Runtimes: Record<string, RuntimeInfo>;
  DefaultRuntime: string;
  LiveRestoreEnabled: boolean;
}

export interface RuntimeInfo {
  /** Since API 1.44. */
  status?: Record<string, string>;
}

export interface ContainerSummary {
  Id: string;
  Names: string[];
  ImageID: string;
  Labels: Record<string, string>;
}

export type ContainerPath =
  | { kind: "file"; content: Buffer }
  /** The target is absolute, with all further links followed; there may be nothing. */
  | { kind: "link"; target: string }
  | { kind: "other"; type: string };

export interface ContainerInspect {
  Id: string;
  /** With a leading slash. */
  Name: string;
  /** RFC 3339 with nanoseconds. */
  Created: string;
  /** The image's id. */
  Image: string;
  LogPath: string;
  ResolvConfPath: string;
  State: ContainerState;
  Config: {
    Labels: Record<string, string>;
    Image: string;
    Tty: boolean;
    OpenStdin: boolean;
    StdinOnce: boolean;
    Env: string[] | null;
    User: string;
    StopSignal?: string;
  };
  HostConfig: HostConfigInspect;
  Mounts: MountInspect[];
  /** Absent where containerd keeps the images. */
  GraphDriver?: { Name: string; Data: Record<string, string> | null } | null;
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string; GlobalIPv6Address: string }> | null;
  };
}

export interface ContainerState {
  Status: string;
  /** True while paused, too. */
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
}

export interface HostConfigInspect {
  NetworkMode: string;
  IpcMode: string;
  PidMode: string;
  Runtime: string;
  CgroupParent: string;
  LogConfig: { Type: string; Config?: Record<string, string> | null };
  CpuShares: number;
  CpuQuota: number;
  CpuPeriod: number;
  CpusetCpus: string;
  CpusetMems: string;
  Memory: number;
  MemorySwap: number;
  OomScoreAdj: number;
  GroupAdd: string[] | null;
}

/** Docker's limits of a container, in the units of HostConfig. */
export type ContainerUpdate = Partial<
  Pick<
    HostConfigInspect,
    "CpuShares" | "CpuQuota" | "CpuPeriod" | "CpusetCpus" | "CpusetMems" | "Memory" | "MemorySwap"
  >
>;

export interface MountInspect {
  Type: string;
  Source: string;
  Destination: string;
  RW: boolean;
  Propagation: string;
}

export interface NetworkInspect {
  Id: string;
  Name: string;
  EnableIPv6: boolean;
  IPAM: { Config: { Subnet: string }[] | null };
  /** Only those that run, by their ids; addresses with the length of their range ("172.18.0.2/16"), or empty. */
  Containers: Record<string, { IPv4Address: string; IPv6Address: string }> | null;
  Options: Record<string, string> | null;
  Labels: Record<string, string> | null;
}

/** Addresses that are not Docker's to choose; it takes them only in ranges that were not its to choose either. */
export interface FixedAddresses {
  IPv4Address?: string;
  IPv6Address?: string;
}

export interface ExecOptions {
  cmd: readonly string[];
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export type AttachStreams = Pick<ExecOptions, "stdin" | "stdout" | "stderr">;

/** In characters. */
export interface TerminalSize {
  width: number;
  height: number;
}

export interface ExecInspect {
  Running: boolean;
  /** null until known. */
  ExitCode: number | null;
  Pid: number;
}

export interface ImageSummary {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Size: number;
}

export interface ImageInspect {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Size: number;
  Config?: {
    User?: string;
    Labels?: Record<string, string> | null;
    Volumes?: Record<string, unknown> | null;
  } | null;
  /** Not of engines that keep images in containerd. */
  GraphDriver?: { Name: string; Data: Record<string, string> | null } | null;
}

/** What to pull: a repository with its host, and a tag or a digest. */
export interface ImageSource {
  repository: string;
  tagOrDigest: string;
}

/** Docker's X-Registry-Auth, decoded. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  serveraddress?: string;
}

export interface PullProgress {
  id?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number };
}

export interface DiskUsage {
  /** Bytes of all image layers, shared ones counted once. */
  LayersSize: number;
}

export interface EngineEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}
