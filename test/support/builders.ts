/**
 * Minimal values of the shapes that tests hand around: what Docker answers, what a client asks, what is true of
 * the host. Each takes overrides, nested ones too; what a test does not name is an ordinary case.
 */
import { join } from "node:path";
import type { MessageTypeDefinition } from "@grpc/proto-loader";
import type { Config } from "../../src/config.js";
import type { ContainerInspect, EngineInfo, EngineVersion, ImageInspect } from "../../src/docker/engine.js";
import type { AuthConfig, AuthConfig__Output } from "../../src/generated/runtime/v1/AuthConfig.js";
import type {
  ContainerConfig,
  ContainerConfig__Output,
} from "../../src/generated/runtime/v1/ContainerConfig.js";
import type {
  ContainerFilter,
  ContainerFilter__Output,
} from "../../src/generated/runtime/v1/ContainerFilter.js";
import type {
  LinuxContainerResources,
  LinuxContainerResources__Output,
} from "../../src/generated/runtime/v1/LinuxContainerResources.js";
import type { Mount, Mount__Output } from "../../src/generated/runtime/v1/Mount.js";
import type {
  NamespaceOption,
  NamespaceOption__Output,
} from "../../src/generated/runtime/v1/NamespaceOption.js";
import type {
  PodSandboxConfig,
  PodSandboxConfig__Output,
} from "../../src/generated/runtime/v1/PodSandboxConfig.js";
import type {
  PodSandboxFilter,
  PodSandboxFilter__Output,
} from "../../src/generated/runtime/v1/PodSandboxFilter.js";
import { loadProto } from "../../src/grpc/proto.js";
import type { HostFacts } from "../../src/host/facts.js";
import type { ImageFacts } from "../../src/images/images.js";
import { fieldsOf, type Log } from "../../src/log.js";

/** Every field may be left out, at every depth; lists are replaced whole, records are added to. */
export type DeepPartial<T> = T extends unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]?: DeepPartial<T[Key]> }
    : T;

/** A streaming server that only this machine reaches, on a port of its own. */
export const streamingDefaults: Config["streaming"] = {
  host: "127.0.0.1",
  port: 0,
  tls: undefined,
  idleTimeout: 0,
  creationTimeout: 30_000,
};

/** A server's settings with all that it writes in one folder; a test says what it wants otherwise. */
export const serverConfig = (directory: string): Config => ({
  socketPath: join(directory, "cri.sock"),
  dockerSocketPath: join(directory, "no-docker.sock"),
  rootDirectory: join(directory, "root"),
  sandboxImage: "registry.k8s.io/pause:3.10",
  runtimeHandlers: {},
  networkPlugin: "bridge",
  podCidrs: [],
  bridgeMtu: 0,
  cni: {
    confDirectory: join(directory, "net.d"),
    binDirectories: ["/usr/lib/cni"],
    cacheDirectory: join(directory, "cni"),
    timeout: 60_000,
  },
  imagePullProgressDeadline: 60_000,
  runtimeRequestTimeout: 60_000,
  streaming: streamingDefaults,
  containerLogFormat: "cri",
  metrics: undefined,
  tracing: undefined,
  logLevel: "error",
  ignoredFlags: [],
});

/** A Docker id that begins with these hex digits. */
export const fullId = (start: string): string => start.padEnd(64, "0");

export const sandboxId = fullId("5a");
export const containerId = fullId("c0");
export const imageId = `sha256:${fullId("1a")}`;

/** A pod's running container. */
export const containerInspect = (overrides: DeepPartial<ContainerInspect> = {}): ContainerInspect =>
  merge<ContainerInspect>(
    {
      Id: containerId,
      Name: "/k8s_app_web_default_u-1_0",
      Created: "2024-05-01T10:00:00.000000001Z",
      Image: imageId,
      LogPath: `/var/lib/docker/containers/${containerId}/${containerId}-json.log`,
      ResolvConfPath: `/var/lib/docker/containers/${sandboxId}/resolv.conf`,
      State: {
        Status: "running",
        Running: true,
        Paused: false,
        OOMKilled: false,
        Pid: 4242,
        ExitCode: 0,
        Error: "",
        StartedAt: "2024-05-01T10:00:01.000000002Z",
        FinishedAt: neverTime,
      },
      Config: {
        Labels: {
          "io.kubernetes.docker.type": "container",
          "io.kubernetes.sandbox.id": sandboxId,
          "io.kubernetes.container.logpath": "/var/log/pods/web/app/0.log",
        },
        Image: imageId,
        Tty: false,
        OpenStdin: false,
        StdinOnce: false,
        Env: [],
        User: "",
      },
      HostConfig: { ...hostConfig, NetworkMode: `container:${sandboxId}`, IpcMode: `container:${sandboxId}` },
      Mounts: [],
      NetworkSettings: { Networks: {} },
    },
    overrides,
  );

/** A running sandbox on Docker's bridge. */
export const sandboxInspect = (overrides: DeepPartial<ContainerInspect> = {}): ContainerInspect =>
  merge<ContainerInspect>(
    {
      ...containerInspect(),
      Id: sandboxId,
      Name: "/k8s_POD_web_default_u-1_0",
      LogPath: "",
      HostConfig: { ...hostConfig, NetworkMode: "bridge", IpcMode: "shareable" },
      NetworkSettings: { Networks: { bridge: { IPAddress: "172.17.0.2", GlobalIPv6Address: "" } } },
      Config: {
        ...containerInspect().Config,
        Labels: {
          "io.kubernetes.docker.type": "podsandbox",
          "io.kubernetes.container.name": "POD",
        },
      },
    },
    overrides,
  );

export const imageInspect = (overrides: DeepPartial<ImageInspect> = {}): ImageInspect =>
  merge<ImageInspect>(
    {
      Id: imageId,
      RepoTags: ["busybox:latest"],
      RepoDigests: [`busybox@sha256:${fullId("d1")}`],
      Size: 4_261_550,
      Config: { User: "", Labels: null },
    },
    overrides,
  );

/** What a container's making needs to know of its image. */
export const imageFacts = (overrides: Partial<ImageFacts> = {}): ImageFacts => ({
  id: imageId,
  labels: {},
  user: "",
  volumes: [],
  ...overrides,
});

/** An unrestricted host: cgroup v2 with the cgroupfs driver, no SELinux, AppArmor there. */
export const hostFacts = (overrides: Partial<HostFacts> = {}): HostFacts => ({
  engineId: "engine-1 /var/lib/docker",
  engineVersion: "28.5.1",
  apiVersion: "1.51",
  kernelVersion: "6.1.0",
  cgroupDriver: "cgroupfs",
  cgroupVersion: 2,
  runtimes: ["runc"],
  defaultRuntime: "runc",
  recursiveReadOnlyRuntimes: [],
  storageDriver: "overlay2",
  rootDirectory: "/var/lib/docker",
  liveRestore: false,
  apparmor: true,
  seccomp: true,
  selinux: false,
  missingCapabilities: [],
  minOomScoreAdj: -1000,
  ...overrides,
});

export const engineInfo = (overrides: Partial<EngineInfo> = {}): EngineInfo => ({
  ID: "engine-1",
  ServerVersion: "28.5.1",
  DockerRootDir: "/var/lib/docker",
  Driver: "overlay2",
  CgroupDriver: "cgroupfs",
  CgroupVersion: "2",
  KernelVersion: "6.1.0",
  OperatingSystem: "Debian GNU/Linux 12",
  SecurityOptions: ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
  Runtimes: { runc: {} },
  DefaultRuntime: "runc",
  LiveRestoreEnabled: false,
  ...overrides,
});

export const engineVersion = (overrides: Partial<EngineVersion> = {}): EngineVersion => ({
  Version: "28.5.1",
  ApiVersion: "1.51",
  ...overrides,
});

/** A client's request for a pod: metadata only, everything else as the wire leaves it out. */
export const podSandboxConfig = (overrides: PodSandboxConfig = {}): PodSandboxConfig__Output =>
  received("PodSandboxConfig", {
    metadata: { name: "web", namespace: "default", uid: "u-1" },
    ...overrides,
  });

/** A client's request for a container: a name and an image. */
export const containerConfig = (overrides: ContainerConfig = {}): ContainerConfig__Output =>
  received("ContainerConfig", { metadata: { name: "app" }, image: { image: imageId }, ...overrides });

export const authConfig = (overrides: AuthConfig = {}): AuthConfig__Output =>
  received("AuthConfig", overrides);
export const mountConfig = (overrides: Mount = {}): Mount__Output =>
  received("Mount", { containerPath: "/data", hostPath: "/srv/data", ...overrides });
export const namespaceOption = (overrides: NamespaceOption = {}): NamespaceOption__Output =>
  received("NamespaceOption", overrides);
export const linuxResources = (overrides: LinuxContainerResources = {}): LinuxContainerResources__Output =>
  received("LinuxContainerResources", overrides);
export const containerFilter = (overrides: ContainerFilter = {}): ContainerFilter__Output =>
  received("ContainerFilter", overrides);
export const podSandboxFilter = (overrides: PodSandboxFilter = {}): PodSandboxFilter__Output =>
  received("PodSandboxFilter", overrides);

/**
 * A message as a handler sees it: through the wire and back, so it has every field and no other, numbers of
 * enums that are unknown stay numbers, and 64-bit values are text.
 */
export function received<Output>(message: string, value: object): Output {
  const definition = proto[`runtime.v1.${message}`] as MessageTypeDefinition<object, object>;
  return definition.deserialize(definition.serialize(value)) as Output;
}

export interface LogEntry {
  level: "error" | "warn" | "info" | "debug";
  event: string;
  fields: Record<string, unknown>;
}

/** A log that keeps what it is told. */
export function recordingLog(): Log & { entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  const at = (own: Record<string, unknown>): Log => {
    const keep =
      (level: LogEntry["level"]) =>
      (...[event, fields = {}]: Parameters<Log["info"]>): void =>
        void entries.push({ level, event, fields: { ...own, ...fieldsOf(fields) } });
    return {
      error: keep("error"),
      warn: keep("warn"),
      info: keep("info"),
      debug: keep("debug"),
      child: (fields) => at({ ...own, ...fields }),
    };
  };
  return { ...at({}), entries };
}

/** Docker's way to write a time that has not come. */
export const neverTime = "0001-01-01T00:00:00Z";

const hostConfig: ContainerInspect["HostConfig"] = {
  NetworkMode: "default",
  IpcMode: "private",
  PidMode: "",
  Runtime: "runc",
  CgroupParent: "",
  LogConfig: { Type: "json-file" },
  CpuShares: 0,
  CpuQuota: 0,
  CpuPeriod: 0,
  CpusetCpus: "",
  CpusetMems: "",
  Memory: 0,
  MemorySwap: 0,
  OomScoreAdj: 0,
  GroupAdd: null,
};

const proto = loadProto();

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merge<T extends object>(base: T, overrides: DeepPartial<T>): T {
  const merged = { ...base } as Record<string, unknown>;
  for (const [key, value] of Object.entries(overrides)) {
    const before = merged[key];
    merged[key] = isRecord(before) && isRecord(value) ? merge(before, value) : value;
  }
  return merged as T;
}
