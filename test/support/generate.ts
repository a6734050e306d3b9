/**
 * Requests by chance, the same for the same seed. Most fields are left out or ordinary, as clients have them; the
 * rest is what nobody should send: empty, huge, negative, unknown, out of place.
 */
import type { ContainerConfig } from "../../src/generated/runtime/v1/ContainerConfig.js";
import type { LinuxContainerResources } from "../../src/generated/runtime/v1/LinuxContainerResources.js";
import type { Mount } from "../../src/generated/runtime/v1/Mount.js";
import type { NamespaceOption } from "../../src/generated/runtime/v1/NamespaceOption.js";
import type { PodSandboxConfig } from "../../src/generated/runtime/v1/PodSandboxConfig.js";
import type { PortMapping } from "../../src/generated/runtime/v1/PortMapping.js";
import type { SecurityProfile } from "../../src/generated/runtime/v1/SecurityProfile.js";
import type { HostFacts } from "../../src/host/facts.js";
import { hostFacts } from "./builders.js";
import { fractions } from "./random.js";

/** What a string can be when it is wrong. */
const rude = [
  "",
  " ",
  "..",
  "/",
  "../../etc/passwd",
  "a_b",
  "a/b",
  "a:b",
  "k=v",
  "-x",
  "\u0000",
  "größe 漢 🐳",
];
const keys = ["app", "annotation.x", "label.annotation.x", "label.app", "io.kubernetes.docker.type"].concat(
  ["io.kubernetes.sandbox.id", "io.kubernetes.container.name", "io.kubernetes.container.logpath"],
  ["io.kubernetes.docker.runtimehandler"],
  ["__proto__", "constructor", "", "a=b", "größe"],
);
const images = [
  "busybox",
  "busybox:1",
  "registry.k8s.io/pause:3.10",
  "[::1]:5000/a:1",
  "docker://busybox",
  "1c35c4",
];
/** Numbers of an int64, as text. */
const int64s = ["0", "1", "2", "100000", "8589934592", "9223372036854775807", "-1", "-9223372036854775808"];

export class Generate {
  /** From 0 up to, but not including, 1. */
  readonly chance: () => number;

  constructor(seed: number) {
    this.chance = fractions(seed);
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.chance() * from.length)] as T;
  }

  /** `usual`, but for one time in `odds`. */
  mostly<T>(usual: T, unusual: () => T, odds = 40): T {
    return this.chance() * odds < 1 ? unusual() : usual;
  }

  /** Up to three. */
  list<T>(item: () => T): T[] {
    return Array.from({ length: Math.floor(this.chance() ** 2 * 4) }, item);
  }

  record(): Record<string, string> {
    return Object.fromEntries(this.list(() => [this.pick(keys), this.pick(rude)]));
  }

  /** A message's fields, each of them left out half of the time. */
  some<T extends object>(fields: { [Key in keyof T]: () => T[Key] }): T {
    const kept: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T)[]) if (this.chance() < 0.5) kept[key] = fields[key]();
    return kept as T;
  }

  /** One of an enum's names, or a number that it has not. */
  enumerated<T>(names: readonly T[]): T {
    return this.mostly(this.pick(names), () => 99 as never, 100);
  }

  readonly #text = (usual: string) => () => this.mostly(usual, () => this.pick(rude));
  readonly #flag = () => this.chance() < 0.5;
  readonly #id = () => ({ value: this.mostly("1000", () => this.pick(int64s)) });

  readonly podSandboxConfig = (): PodSandboxConfig => ({
    metadata: this.mostly(
      {
        name: this.#text("web-0.a")(),
        namespace: this.#text("default")(),
        uid: this.#text("7d9a-11")(),
        attempt: this.pick([0, 1, 4294967295]),
      },
      () => null as never,
    ),
    ...this.some<PodSandboxConfig>({
      hostname: this.#text("web-0"),
      logDirectory: this.#text("/var/log/pods/web"),
      dnsConfig: () => ({
        servers: this.list(this.#text("10.96.0.10")),
        searches: this.list(this.#text("svc.cluster.local")),
        options: this.list(this.#text("ndots:5")),
      }),
      portMappings: () => this.list(this.#port),
      labels: () => this.record(),
      annotations: () => this.record(),
      linux: () => ({
        cgroupParent: this.pick(["", "/kubepods/podu-1", "/kubepods.slice/kubepods-podu.slice"]),
        sysctls: this.record(),
        securityContext: this.some({
          namespaceOptions: this.#namespaces,
          selinuxOptions: () => ({ level: this.#text("s0")() }),
          runAsUser: this.#id,
          runAsGroup: this.#id,
          readonlyRootfs: this.#flag,
          supplementalGroups: () => this.list(() => this.pick(int64s)),
          privileged: this.#flag,
          seccomp: this.#profile,
        }),
      }),
    }),
  });

  readonly containerConfig = (): ContainerConfig => ({
    metadata: this.mostly({ name: this.#text("app")(), attempt: 1 }, () => null as never),
    image: this.mostly({ image: this.mostly(this.pick(images), () => this.pick(rude)) }, () => null as never),
    ...this.some<ContainerConfig>({
      command: () => this.list(this.#text("/bin/sh")),
      args: () => this.list(this.#text("-c")),
      workingDir: this.#text("/srv"),
      envs: () => this.list(() => ({ key: this.#text("PATH")(), value: this.#bytes() })),
      mounts: () => this.list(this.#mount),
      devices: () =>
        this.list(() => ({ hostPath: this.#text("/dev/fuse")(), permissions: this.#text("rw")() })),
      labels: () => this.record(),
      annotations: () => this.record(),
      logPath: this.#text("app/0.log"),
      stdin: this.#flag,
      tty: this.#flag,
      stopSignal: () => this.enumerated(["SIGNAL_SIGTERM", "SIGNAL_SIGRTMINPLUS3", "SIGNAL_RUNTIME_DEFAULT"]),
      linux: () => ({
        resources: this.mostly(this.#resources(), () => null as never),
        securityContext: this.some({
          capabilities: () => ({ addCapabilities: this.list(() => this.pick(["ALL", "NET_ADMIN", "x"])) }),
          privileged: this.#flag,
          namespaceOptions: this.#namespaces,
          selinuxOptions: () => ({ type: this.#text("spc_t")() }),
          runAsUser: this.#id,
          runAsGroup: this.#id,
          runAsUsername: this.#text("web"),
          supplementalGroups: () => this.list(() => this.pick(int64s)),
          apparmorProfile: () => this.pick(["", "unconfined", "runtime/default", "localhost/x"]),
          seccompProfilePath: () => this.mostly("unconfined", () => this.pick(["localhost/", "rubbish"])),
          seccomp: this.#profile,
          noNewPrivs: this.#flag,
          maskedPaths: () => this.list(this.#text("/proc/kcore")),
          supplementalGroupsPolicy: () => this.enumerated(["Merge", "Merge", "Merge", "Strict"] as const),
        }),
      }),
    }),
  });

  readonly host = (): HostFacts =>
    hostFacts({
      cgroupDriver: this.pick(["cgroupfs", "systemd"]),
      apparmor: this.#flag(),
      selinux: this.#flag(),
      apiVersion: this.pick(["1.41", "1.45", "1.51"]),
      storageDriver: this.pick(["overlay2", "overlayfs"]),
      recursiveReadOnlyRuntimes: this.pick([[], ["runc"]]),
      minOomScoreAdj: this.pick([-1000, 0, 500]),
      missingCapabilities: this.mostly<string[]>([], () => ["SYS_RESOURCE"], 2),
    });

  readonly #bytes = (): Buffer =>
    this.mostly(Buffer.from(this.pick(rude)), () => Buffer.from([0xff, 0x00, 0xfe]));

  readonly #port = (): PortMapping => ({
    protocol: this.enumerated(["TCP", "UDP", "SCTP"]),
    containerPort: this.mostly(80, () => this.pick([0, -1, 65535, 65536, 2147483647])),
    hostPort: this.mostly(8080, () => this.pick([0, -1, 65536])),
    hostIp: this.mostly(this.pick(["", "127.0.0.1", "::1"]), () => this.pick(rude)),
  });

  readonly #namespaces = (): NamespaceOption =>
    this.some<NamespaceOption>({
      network: () => this.enumerated(["POD", "NODE"]),
      pid: () => this.enumerated(["POD", "CONTAINER", "NODE", "TARGET"]),
      ipc: () => this.enumerated(["POD", "NODE"]),
      targetId: () => this.pick(["abc", "abc", ""]),
    });

  readonly #profile = (): SecurityProfile => ({
    profileType: this.enumerated(["RuntimeDefault", "Unconfined", "Localhost"]),
    localhostRef: this.#text("/p.json")(),
  });

  readonly #mount = (): Mount => ({
    containerPath: this.#text("/data")(),
    hostPath: this.#text("/srv/data")(),
    readonly: this.#flag(),
    selinuxRelabel: this.#flag(),
    propagation: this.enumerated(["PROPAGATION_PRIVATE", "PROPAGATION_HOST_TO_CONTAINER"]),
    recursiveReadOnly: this.mostly(false, () => true),
    mountOptions: this.mostly([], () => [this.#text("noexec")()]),
  });

  readonly #resources = (): LinuxContainerResources =>
    this.some<LinuxContainerResources>({
      cpuPeriod: () => this.mostly("100000", () => this.pick(int64s)),
      cpuQuota: () => this.pick(int64s),
      cpuShares: () => this.mostly("2", () => this.pick(int64s)),
      memoryLimitInBytes: () => this.mostly("8589934592", () => this.pick(int64s)),
      memorySwapLimitInBytes: () => this.pick(int64s),
      oomScoreAdj: () => this.pick(int64s),
      cpusetCpus: this.#text("0-2"),
      unified: () => this.mostly<Record<string, string>>({}, () => ({ "memory.high": "1" })),
    });
}
