/** Command line to settings (pure). */
import { isIP } from "node:net";
import { messageOf } from "./errors.js";
import { flags, readFlags, UsageError } from "./flags.js";
import { logLevels, type LogLevel } from "./log.js";
import { parsePodCidrs } from "./network/pod-cidr.js";
import { readTracing, type TracingSettings } from "./observability/tracing-settings.js";

export interface Config {
  /** Path of the unix socket that we serve. */
  socketPath: string;
  /** Path of the Docker Engine's unix socket. */
  dockerSocketPath: string;
  rootDirectory: string;
  sandboxImage: string;
  /** Docker runtimes by the RuntimeClass handlers that stand for them. */
  runtimeHandlers: Readonly<Record<string, string>>;
  networkPlugin: "cni" | "bridge";
  /** At most one of IPv4 and one of IPv6, as "10.1.0.0/24". */
  podCidrs: readonly string[];
  /** Bytes; 0 is Docker's choice. */
  bridgeMtu: number;
  cni: {
    confDirectory: string;
    /** In the order of the search. */
    binDirectories: readonly string[];
    cacheDirectory: string;
    /** Milliseconds that a plugin may take. */
    timeout: number;
  };
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
  /** Where metrics and probes are served; port 0 takes a free one. Undefined for nowhere. */
  metrics: { host: string; port: number } | undefined;
  /** What the environment says of traces; undefined when there are to be none. */
  tracing: TracingSettings | undefined;
  logLevel: LogLevel;
  /** A sentence for each flag or OTEL_ variable that was given and has no meaning here. */
  ignoredFlags: readonly string[];
}

export type Command = { kind: "run"; config: Config } | { kind: "help" } | { kind: "version" };

/**
 * @param environment of which only OTEL_ variables count
 * @throws UsageError naming the flag
 */
export function parseCommand(argv: string[], environment: NodeJS.ProcessEnv = {}): Command {
  const { values, ignored } = readFlags(argv);
  if (values.has("help")) return { kind: "help" };
  if (values.has("version")) return { kind: "version" };
  const value = (name: string): string =>
    values.get(name) ?? flags.find((flag) => flag.name === name)?.fallback ?? "";
  const tracing = readTracing(environment);
  const duration = (name: string): number => parseDuration(value(name), name);
  return {
    kind: "run",
    config: Object.freeze({
      socketPath: parseUnix(value("container-runtime-endpoint"), "container-runtime-endpoint"),
      dockerSocketPath: parseUnix(value("docker-endpoint"), "docker-endpoint"),
      rootDirectory: parseDirectory(value("root-directory"), "root-directory"),
      sandboxImage: nonEmpty(value("pod-infra-container-image"), "pod-infra-container-image"),
      runtimeHandlers: parseRuntimeHandlers(value("runtime-handlers")),
      networkPlugin: parseNetworkPlugin(value("network-plugin")),
      podCidrs: parseCidrs(value("pod-cidr")),
      bridgeMtu: parseMtu(value("network-plugin-mtu")),
      cni: {
        confDirectory: parseDirectory(value("cni-conf-dir"), "cni-conf-dir"),
        binDirectories: value("cni-bin-dir")
          .split(",")
          .map((path) => parseDirectory(path, "cni-bin-dir")),
        cacheDirectory: parseDirectory(value("cni-cache-dir"), "cni-cache-dir"),
        timeout: duration("cni-timeout"),
      },
      imagePullProgressDeadline: duration("image-pull-progress-deadline"),
      runtimeRequestTimeout: duration("runtime-request-timeout"),
      streaming: {
        ...parseBindAddress(value("streaming-bind-addr"), "streaming-bind-addr"),
        tls: parseTls(value("streaming-tls-cert-file"), value("streaming-tls-key-file")),
        idleTimeout: value("streaming-idle-timeout") === "0" ? 0 : duration("streaming-idle-timeout"),
        creationTimeout: duration("stream-creation-timeout"),
      },
      containerLogFormat: parseLogFormat(value("container-log-format")),
      metrics: parseMetricsAddress(value("metrics-bind-address")),
      tracing: tracing.settings,
      logLevel: parseLogLevel(value("log-level")),
      ignoredFlags: [...ignored, ...tracing.ignored],
    }),
  };
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

/** HANDLER=DOCKER_RUNTIME,... */
function parseRuntimeHandlers(text: string): Record<string, string> {
  const flag = `--runtime-handlers=${text}`;
  const pairs = text === "" ? [] : text.split(",").map((part) => part.trim().split("="));
  const handlers = pairs.map(([handler = "", runtime = "", ...rest]) => {
    if (handler === "" || runtime === "" || rest.length > 0) {
      throw new UsageError(`${flag}: HANDLER=DOCKER_RUNTIME is needed, with commas between`);
    }
    return [handler, runtime] as const;
  });
  const names = handlers.map(([handler]) => handler);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new UsageError(`${flag}: the handler ${JSON.stringify(twice)} is there twice`);
  return Object.fromEntries(handlers);
}

function parseNetworkPlugin(value: string): Config["networkPlugin"] {
  if (value === "cni" || value === "bridge") return value;
  if (value === "" || value === "no-op") return "bridge";
  if (value === "kubenet") {
    throw new UsageError(
      "--network-plugin=kubenet is gone from Kubernetes: use bridge with --pod-cidr (Docker's own network) or cni",
    );
  }
  throw new UsageError(`--network-plugin=${value}: known are cni and bridge`);
}

function parseCidrs(text: string): string[] {
  try {
    return parsePodCidrs(text, "--pod-cidr");
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** The kernel's limits for a bridge. */
const mtuRange = [68, 65535] as const;

function parseMtu(text: string): number {
  const mtu = Number(text);
  const [least, most] = mtuRange;
  if (/^\d+$/.test(text) && (mtu === 0 || (mtu >= least && mtu <= most))) return mtu;
  throw new UsageError(`--network-plugin-mtu=${text}: 0, or a number from ${least} to ${most} is needed`);
}

/** HOST, HOST:PORT, IPV6, [IPV6] or [IPV6]:PORT */
function parseBindAddress(text: string, flag: string): { host: string; port: number } {
  const parts = isIP(text) === 6 ? [text, text] : /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  const [, host = "", port = "0"] = parts ?? [];
  if (!parts || Number(port) > 65535) {
    throw new UsageError(`--${flag}=${text}: HOST, HOST:PORT or [IPV6]:PORT is needed`);
  }
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** As above, but with a port: whoever asks has to know it. */
function parseMetricsAddress(text: string): Config["metrics"] {
  if (text === "") return undefined;
  if (isIP(text) !== 6 && /:\d+$/.test(text)) return parseBindAddress(text, "metrics-bind-address");
  throw new UsageError(`--metrics-bind-address=${text}: HOST:PORT or [IPV6]:PORT is needed`);
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
