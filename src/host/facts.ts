/**
 * What is true of the machine and its engine, gathered once and handed to pure code as one value.
 */
import { readFile } from "node:fs/promises";
import type { Engine, EngineInfo, EngineVersion, RuntimeInfo } from "../docker/engine.js";
import type { Log } from "../log.js";
import { hasApi } from "../docker/api-version.js";
import { Answer } from "../remember.js";
import { missingCapabilities, namesOf } from "./capabilities.js";
import { processesNamed } from "./processes.js";

export interface HostFacts {
  /** What distinguishes this engine from all others. */
  engineId: string;
  engineVersion: string;
  apiVersion: string;
  kernelVersion: string;
  cgroupDriver: "cgroupfs" | "systemd";
  cgroupVersion: 1 | 2;
  /** Names that a runtime handler can have, as registered with the engine. */
  runtimes: string[];
  defaultRuntime: string;
  /** Those of the runtimes that Docker itself can have mounts made recursively read-only by. */
  recursiveReadOnlyRuntimes: string[];
  storageDriver: string;
  /** Docker's data directory. */
  rootDirectory: string;
  liveRestore: boolean;
  apparmor: boolean;
  seccomp: boolean;
  selinux: boolean;
  /** What "ALL" would mean to the engine and its processes do not have, without "CAP_". */
  missingCapabilities: string[];
  /** The lowest oom_score_adj that a container can be given here, -1000 where nothing is in the way. */
  minOomScoreAdj: number;
}

/** The part of HostFacts that comes from /proc, not from the engine. */
export interface ProcessFacts {
  /** CapEff of /proc/<pid>/status. */
  capabilities: bigint;
  /** Number of the last capability that the kernel knows. */
  lastCapability: number;
  oomScoreAdj: number;
}

export function toHostFacts(info: EngineInfo, version: EngineVersion, daemon: ProcessFacts): HostFacts {
  const security = (info.SecurityOptions ?? []).map((option) => /name=([^,]+)/.exec(option)?.[1] ?? option);
  return {
    // Docker up to 20.10 keeps its id in /etc/docker, where two daemons may share it.
    engineId: `${info.ID} ${info.DockerRootDir}`,
    engineVersion: info.ServerVersion,
    apiVersion: version.ApiVersion,
    kernelVersion: info.KernelVersion,
    cgroupDriver: info.CgroupDriver === "systemd" ? "systemd" : "cgroupfs",
    cgroupVersion: info.CgroupVersion === "2" ? 2 : 1,
    runtimes: Object.keys(info.Runtimes).sort(),
    defaultRuntime: info.DefaultRuntime,
    recursiveReadOnlyRuntimes: recursiveReadOnlyRuntimes(info, version),
    storageDriver: info.Driver,
    rootDirectory: info.DockerRootDir,
    liveRestore: info.LiveRestoreEnabled,
    apparmor: security.includes("apparmor"),
    seccomp: security.includes("seccomp"),
    selinux: security.includes("selinux"),
    missingCapabilities: missingCapabilities(daemon.capabilities, daemon.lastCapability, version.ApiVersion),
    // Without CAP_SYS_RESOURCE a process cannot lower the value that it inherited (proc(5)); runc then dies.
    minOomScoreAdj: namesOf(daemon.capabilities).includes("SYS_RESOURCE") ? -1000 : daemon.oomScoreAdj,
  };
}

/** What runtimes tell of themselves in runtime-spec's features.json. */
const featuresKey = "org.opencontainers.runtime-spec.features";

/** Docker has them since API 1.44, runtimes say that they know the mount option, and the kernel does since 5.12. */
function recursiveReadOnlyRuntimes(info: EngineInfo, version: EngineVersion): string[] {
  const kernel = /^\d+\.\d+/.exec(info.KernelVersion)?.[0] ?? "0.0";
  if (!hasApi(version.ApiVersion, "1.44") || !hasApi(kernel, "5.12")) return [];
  const knows = ([, { status }]: [string, RuntimeInfo]): boolean => {
    try {
      const features = JSON.parse(status?.[featuresKey] ?? "{}") as { mountOptions?: unknown };
      return Array.isArray(features.mountOptions) && features.mountOptions.includes("rro");
    } catch {
      return false;
    }
  };
  return Object.entries(info.Runtimes)
    .filter(knows)
    .map(([name]) => name)
    .sort();
}

/** Reads CapEff from the text of /proc/<pid>/status. */
export const parseCapabilities = (status: string): bigint =>
  BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);

export class Host {
  readonly #facts = new Answer(() => this.#gather());

  constructor(
    private readonly engine: Pick<Engine, "info" | "version">,
    private readonly log: Log,
    private readonly readDaemon: () => Promise<ProcessFacts> = readDaemonProcess,
  ) {}

  /** The facts; asked of the engine at the first call and after `forget`. */
  facts(): Promise<HostFacts> {
    return this.#facts.get();
  }

  /** To be called when the engine was away: it may have come back as another version. */
  forget(): void {
    this.#facts.forget();
  }

  async #gather(): Promise<HostFacts> {
    const [info, version] = await Promise.all([this.engine.info(), this.engine.version()]);
    const daemon = await this.readDaemon();
    const facts = toHostFacts(info, version, daemon);
    this.log.info("host facts", { ...facts });
    if (facts.minOomScoreAdj > -1000) {
      this.log.warn(
        "no CAP_SYS_RESOURCE here: lower values of oom_score_adj are raised to what is possible",
        {
          minOomScoreAdj: facts.minOomScoreAdj,
        },
      );
    }
    return facts;
  }
}

/** dockerd's process where it can be seen, else our own: both run with what the host allows. */
async function readDaemonProcess(): Promise<ProcessFacts> {
  const [pid = "self"] = processesNamed("dockerd");
  const [status, oomScoreAdj, lastCapability] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readFile(`/proc/${pid}/oom_score_adj`, "utf8"),
    readFile("/proc/sys/kernel/cap_last_cap", "utf8"),
  ]);
  return {
    capabilities: parseCapabilities(status),
    lastCapability: Number(lastCapability),
    oomScoreAdj: Number(oomScoreAdj),
  };
}
