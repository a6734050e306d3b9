/** Command line to settings (pure). The flag table here is the one that --help and README show. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { logLevels, type LogLevel } from "./log.js";

export interface Config {
  /** Path of the unix socket that we serve. */
  socketPath: string;
  /** Path of the Docker Engine's unix socket. */
  dockerSocketPath: string;
  rootDirectory: string;
  sandboxImage: string;
  networkPlugin: "cni" | "bridge";
  /** Milliseconds. */
  imagePullProgressDeadline: number;
  /** Milliseconds. */
  runtimeRequestTimeout: number;
  streaming: {
    /** Where the streaming server listens; port 0 takes a free one. */
    host: string;
    port: number;
    /** Paths of a PEM certificate and its key; undefined for plain http. */
    tls: { certFile: string; keyFile: string } | undefined;
    /** Milliseconds; 0 for never. */
    idleTimeout: number;
    /** Milliseconds. */
    creationTimeout: number;
  };
  /** cri: files in CRI's format, written by us; docker: links to Docker's own. */
  containerLogFormat: "cri" | "docker";
  logLevel: LogLevel;
}

export type Command = { kind: "run"; config: Config } | { kind: "help" } | { kind: "version" };

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
    name: "network-plugin",
    fallback: "cni",
    help: 'how pods get their network: "cni", or "bridge" (also "no-op" or empty) for Docker\'s own',
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
  { name: "log-level", fallback: "info", help: logLevels.join(", ") },
];

/** Predecessors' flags that mean something this program does not do yet. */
const later = new Set([
  "cni-bin-dir",
  "cni-cache-dir",
  "cni-conf-dir",
  "hairpin-mode",
  "ipv6-dual-stack",
  "network-plugin-mtu",
  "pod-cidr",
  "runtime-cgroups",
]);

/** @throws UsageError naming the flag */
export function parseCommand(argv: string[]): Command {
  const values = readFlags(argv);
  if (values.has("help")) return { kind: "help" };
  if (values.has("version")) return { kind: "version" };
  const value = (name: string): string =>
    values.get(name) ?? flags.find((flag) => flag.name === name)?.fallback ?? "";
  const duration = (name: string): number => parseDuration(value(name), name);
  return {
    kind: "run",
    config: Object.freeze({
      socketPath: parseUnix(value("container-runtime-endpoint"), "container-runtime-endpoint"),
      dockerSocketPath: parseUnix(value("docker-endpoint"), "docker-endpoint"),
      rootDirectory: parseDirectory(value("root-directory"), "root-directory"),
      sandboxImage: nonEmpty(value("pod-infra-container-image"), "pod-infra-container-image"),
      networkPlugin: parseNetworkPlugin(value("network-plugin")),
      imagePullProgressDeadline: duration("image-pull-progress-deadline"),
      runtimeRequestTimeout: duration("runtime-request-timeout"),
      streaming: {
        ...parseBindAddress(value("streaming-bind-addr")),
        tls: parseTls(value("streaming-tls-cert-file"), value("streaming-tls-key-file")),
        idleTimeout: value("streaming-idle-timeout") === "0" ? 0 : duration("streaming-idle-timeout"),
        creationTimeout: duration("stream-creation-timeout"),
      },
      containerLogFormat: parseLogFormat(value("container-log-format")),
      logLevel: parseLogLevel(value("log-level")),
    }),
  };
}

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

function readFlags(argv: string[]): Map<string, string> {
  const options = {
    ...Object.fromEntries(
      flags.flatMap(({ name, aliases = [] }) =>
        [name, ...aliases].map((word) => [word, { type: "string" as const }]),
      ),
    ),
    help: { type: "boolean" as const, short: "h" },
    version: { type: "boolean" as const },
  };
  const { tokens } = parseArgs({ args: argv, options, strict: false, allowPositionals: true, tokens: true });
  const found = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "positional")
      throw new UsageError(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind !== "option") continue;
    if (later.has(token.name)) throw new UsageError(`--${token.name} is not supported yet`);
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
  return found;
}

function parseUnix(endpoint: string, flag: string): string {
  const path = endpoint.startsWith("unix://") ? endpoint.slice("unix://".length) : endpoint;
  if (path.startsWith("/")) return path;
  throw new UsageError(`--${flag}=${endpoint}: only unix sockets are supported, as unix:///path/to.sock`);
}

function parseDirectory(path: string, flag: string): string {
  if (path.startsWith("/")) return path;
  throw new UsageError(`--${flag}=${path}: an absolute path is needed`);
}

function nonEmpty(value: string, flag: string): string {
  if (value !== "") return value;
  throw new UsageError(`--${flag} is empty`);
}

function parseNetworkPlugin(value: string): Config["networkPlugin"] {
  if (value === "cni" || value === "bridge") return value;
  if (value === "" || value === "no-op") return "bridge";
  if (value === "kubenet") {
    throw new UsageError(
      "--network-plugin=kubenet is gone from Kubernetes: use bridge (Docker's own network) or cni",
    );
  }
  throw new UsageError(`--network-plugin=${value}: known are cni and bridge`);
}

/** HOST, HOST:PORT, IPV6, [IPV6] or [IPV6]:PORT */
function parseBindAddress(text: string): { host: string; port: number } {
  const parts = isIP(text) === 6 ? [text, text] : /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  const [, host = "", port = "0"] = parts ?? [];
  if (!parts || Number(port) > 65535) {
    throw new UsageError(`--streaming-bind-addr=${text}: HOST, HOST:PORT or [IPV6]:PORT is needed`);
  }
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function parseTls(certFile: string, keyFile: string): Config["streaming"]["tls"] {
  if (certFile !== "" && keyFile !== "") return { certFile, keyFile };
  if (certFile === keyFile) return undefined;
  throw new UsageError("--streaming-tls-cert-file and --streaming-tls-key-file are needed together");
}

function parseLogFormat(value: string): Config["containerLogFormat"] {
  if (value === "cri" || value === "docker") return value;
  throw new UsageError(`--container-log-format=${value}: known are cri and docker`);
}

function parseLogLevel(value: string): LogLevel {
  const level = logLevels.find((known) => known === value);
  if (level) return level;
  throw new UsageError(`--log-level=${value}: known are ${logLevels.join(", ")}`);
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Node's timers fire at once when they are asked to wait longer. */
const longestMs = 2 ** 31 - 1;

/** Go's way to write a duration ("1m30s"), in whole milliseconds; it must be more than none. */
function parseDuration(text: string, flag: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const total = parts.reduce((sum, [, amount, unit = ""]) => sum + Number(amount) * (unitMs[unit] ?? 0), 0);
  if (parts.map(([whole]) => whole).join("") !== text || total <= 0) {
    throw new UsageError(`--${flag}=${text}: a duration like 90s or 1m30s is needed`);
  }
  if (total > longestMs) throw new UsageError(`--${flag}=${text}: at most 596h can be waited for`);
  return Math.ceil(total);
}
