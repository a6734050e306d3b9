/** The flags that this program takes, and their reading (pure). --help and README show this table. */
import { parseArgs } from "node:util";
import { logLevels } from "./log.js";

/** A command line that cannot be right; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

interface Flag {
  name: string;
  /** Names that mean the same, from predecessors' unit files. */
  aliases?: string[];
  fallback: string;
  help: string;
}

export const flags: Flag[] = [
  {
    name: "container-runtime-endpoint",
    fallback: "unix:///var/run/dockershim.sock",
    help: "the socket to serve, for the kubelet's flag of the same name",
  },
  { name: "docker-endpoint", fallback: "unix:///var/run/docker.sock", help: "the Docker Engine's socket" },
  {
    name: "root-directory",
    aliases: ["cri-dockerd-root-directory"],
    fallback: "/var/lib/dockershim",
    help: "where this program keeps what Docker cannot",
  },
  {
    name: "pod-infra-container-image",
    fallback: "registry.k8s.io/pause:3.10",
    help: "image of the process that holds a pod's namespaces; scripts/build-pause makes one without a registry",
  },
  {
    name: "runtime-handlers",
    fallback: "",
    help: "the RuntimeClass handlers whose Docker runtime has another name, as HANDLER=DOCKER_RUNTIME with commas between",
  },
  {
    name: "network-plugin",
    fallback: "cni",
    help: 'how pods get their network: "cni", or "bridge" (also "no-op" or empty) for Docker\'s own',
  },
  {
    name: "pod-cidr",
    fallback: "",
    help: "the pods' address ranges, one of IPv4, IPv6 or both with a comma, until UpdateRuntimeConfig tells others",
  },
  {
    name: "network-plugin-mtu",
    fallback: "0",
    help: "MTU of the bridge network; 0 is Docker's own choice. CNI configurations have their own",
  },
  {
    name: "cni-conf-dir",
    fallback: "/etc/cni/net.d",
    help: "where CNI network configurations are: the first usable one by file name is the pods' network",
  },
  {
    name: "cni-bin-dir",
    fallback: "/opt/cni/bin,/usr/lib/cni",
    help: "where CNI plugins are looked for, in this order",
  },
  {
    name: "cni-cache-dir",
    fallback: "/var/lib/cni/cache",
    help: "where it is kept what CNI plugins did for each pod, in the form that the predecessors use",
  },
  {
    name: "cni-timeout",
    fallback: "2m",
    help: "limit for one run of a CNI plugin, which is then killed",
  },
  {
    name: "image-pull-progress-deadline",
    fallback: "1m",
    help: "a pull without progress for this long is given up",
  },
  {
    name: "runtime-request-timeout",
    fallback: "2m",
    help: "limit for one short call to the Docker Engine (not for pulls, stops and execs)",
  },
  {
    name: "streaming-bind-addr",
    fallback: "127.0.0.1:0",
    help: "where exec, attach and port-forward are served: HOST, HOST:PORT or [IPV6]:PORT; port 0 is any free one",
  },
  {
    name: "streaming-tls-cert-file",
    fallback: "",
    help: "PEM certificate; with the key, streaming is served over https",
  },
  { name: "streaming-tls-key-file", fallback: "", help: "PEM key of that certificate" },
  {
    name: "streaming-idle-timeout",
    fallback: "4h",
    help: "a streaming session without traffic for this long is ended; 0 for never",
  },
  {
    name: "stream-creation-timeout",
    fallback: "30s",
    help: "how long a client may take to open the streams that its session needs",
  },
  {
    name: "container-log-format",
    fallback: "cri",
    help: 'format of container logs: "cri", or "docker" for links to Docker\'s own files, as the predecessors made them',
  },
  {
    name: "metrics-bind-address",
    fallback: "",
    help: "where /metrics, /healthz and /readyz are served, as 127.0.0.1:PORT; nowhere when it is empty",
  },
  { name: "log-level", fallback: "info", help: logLevels.join(", ") },
];

/** Predecessors' flags without a meaning here, and why: unit files that have them go on working. */
const ignoredFlags: Record<string, string> = {
  "hairpin-mode": "a pod always reaches itself on Docker's bridge, and a CNI configuration says it by itself",
  "ipv6-dual-stack": "pods have every address that their network gives them",
  "runtime-cgroups": "the cgroup of this program is its service manager's business",
};

export function helpText(): string {
  const rows = flags.map(({ name, aliases = [], fallback, help }) => {
    const also = aliases.map((alias) => `--${alias}`).join(", ");
    return `  --${name}=${fallback}\n      ${help}${also ? ` (also ${also})` : ""}`;
  });
  return [
    "dockershim: a Kubernetes container runtime (CRI) server on the Docker Engine",
    "",
    "usage: dockershim [--FLAG=VALUE ...]",
    "",
    ...rows,
    "  --version\n      print the version and leave",
    "  --help\n      print this and leave",
    "",
  ].join("\n");
}

/**
 * What is on the command line, by the flags' first names, and a sentence for each flag that is ignored.
 * @throws UsageError naming the flag
 */
export function readFlags(argv: string[]): { values: Map<string, string>; ignored: string[] } {
  const options = {
    ...Object.fromEntries(
      flags.flatMap(({ name, aliases = [] }) =>
        [name, ...aliases].map((word) => [word, { type: "string" as const }]),
      ),
    ),
    ...Object.fromEntries(Object.keys(ignoredFlags).map((name) => [name, { type: "string" as const }])),
    help: { type: "boolean" as const, short: "h" },
    version: { type: "boolean" as const },
  };
  const { tokens } = parseArgs({ args: argv, options, strict: false, allowPositionals: true, tokens: true });
  const found = new Map<string, string>();
  const ignored = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "positional")
      throw new UsageError(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind !== "option") continue;
    const reason = ignoredFlags[token.name];
    if (reason !== undefined) {
      ignored.set(token.name, `--${token.name} is ignored: ${reason}`);
      continue;
    }
    const flag = flags.find(({ name, aliases = [] }) => name === token.name || aliases.includes(token.name));
    if (!flag && token.name !== "help" && token.name !== "version") {
      throw new UsageError(`unknown flag ${token.rawName}`);
    }
    if (flag && token.value === undefined) throw new UsageError(`${token.rawName} needs a value`);
    const name = flag?.name ?? token.name;
    const value = token.value ?? "";
    const before = found.get(name);
    if (before !== undefined && before !== value) {
      throw new UsageError(
        `--${name} is given twice, as ${JSON.stringify(before)} and ${JSON.stringify(value)}`,
      );
    }
    found.set(name, value);
  }
  return { values: found, ignored: [...ignored.values()] };
}
