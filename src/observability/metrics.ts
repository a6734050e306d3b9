/** What is counted, in Prometheus' form. README has the list of these names. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { DockerCall } from "../docker/observed-engine.js";
import { CriError } from "../errors.js";
import type { RpcObserver } from "../grpc/observe.js";
import type { Kind } from "../kube/labels.js";
import type { LogProgress } from "../logs/messages.js";
import type { PluginRun } from "../network/cni/plugins.js";
import type { Observer } from "../observer.js";
import type { Grant } from "../streaming/server.js";
import type { InventoryHealth } from "./inventory-health.js";
import { watchLogs } from "./log-metrics.js";

/** What is looked at when somebody asks. */
export interface MetricSources {
  /** This program's. */
  version: string;
  /** How many sandboxes or containers the inventory knows. */
  entries: (kind: Kind) => number;
  health: Pick<InventoryHealth, "reason" | "ageSeconds" | "resyncs">;
  /** Undefined where this program writes no logs. */
  logProgress: () => Promise<LogProgress | undefined>;
}

export interface Metrics {
  rpcs: RpcObserver;
  docker: Observer<DockerCall>;
  plugins: Observer<PluginRun>;
  sessions: Observer<Pick<Grant, "kind">>;
  /** Prometheus' text format. */
  text: () => Promise<string>;
  contentType: string;
}

/** Seconds. Answers from the inventory take less than a millisecond, pulls and graceful stops minutes. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];
/** Node wakes up so often to see how late it is, and counts this time in: at 10 ms that cost 0.7 % of a core. */
const loopLagResolutionMs = 100;

const kinds: readonly Kind[] = ["podsandbox", "container"];

export function makeMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLagResolutionMs });
  const rpcs = new Histogram({
    name: "dockershim_rpc_duration_seconds",
    help: "CRI calls by method, interface version and gRPC code.",
    labelNames: ["method", "api_version", "code"] as const,
    buckets,
    registers,
  });
  let inFlight = 0;
  gauge(registry, "dockershim_rpcs_in_flight", "CRI calls that are not answered yet.", () => inFlight);
  const docker = new Histogram({
    name: "dockershim_docker_call_duration_seconds",
    help: "Calls to the Docker Engine by operation and result: ok, or the kind of error.",
    labelNames: ["operation", "result"] as const,
    buckets,
    registers,
  });
  const plugins = new Histogram({
    name: "dockershim_cni_plugin_duration_seconds",
    help: "Runs of CNI plugins by plugin, command and result: ok, or the kind of error.",
    labelNames: ["plugin", "command", "result"] as const,
    buckets,
    registers,
  });
  const open = new Gauge({
    name: "dockershim_streaming_sessions",
    help: "Exec, attach and port-forward sessions that are open.",
    labelNames: ["kind"] as const,
    registers,
  });
  const begun = new Counter({
    name: "dockershim_streaming_sessions_total",
    help: "Exec, attach and port-forward sessions that were begun.",
    labelNames: ["kind"] as const,
    registers,
  });
  for (const kind of ["exec", "attach", "portforward"] as const) {
    open.set({ kind }, 0);
    begun.inc({ kind }, 0);
  }
  watch(registry, sources);
  const logsKnown = watchLogs(registry, sources.logProgress);

  return {
    rpcs: {
      started: ({ method, apiVersion }) => {
        inFlight += 1;
        return timed((seconds, { codeName }) => {
          inFlight -= 1;
          rpcs.observe({ method, api_version: apiVersion, code: codeName }, seconds);
        });
      },
    },
    docker: {
      started: ({ operation }) =>
        timed((seconds, error) => docker.observe({ operation, result: resultOf(error) }, seconds)),
    },
    plugins: {
      started: ({ type: plugin, command }) =>
        timed((seconds, error) => plugins.observe({ plugin, command, result: resultOf(error) }, seconds)),
    },
    sessions: {
      started: ({ kind }) => {
        begun.inc({ kind });
        open.inc({ kind });
        return timed(() => open.dec({ kind }));
      },
    },
    text: async () => {
      await logsKnown();
      return await registry.metrics();
    },
    contentType: registry.contentType,
  };
}

function timed<End>(ended: (seconds: number, end: End) => void) {
  const begun = performance.now();
  return {
    within: <T>(part: () => T): T => part(),
    ended: (end: End) => ended((performance.now() - begun) / 1000, end),
  };
}

const resultOf = (error: unknown): string =>
  error === undefined
    ? "ok"
    : error instanceof CriError
      ? error.kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      : "internal";

const gauge = (registry: Registry, name: string, help: string, value: () => number): Gauge =>
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });

function watch(registry: Registry, { version, entries, health }: MetricSources): void {
  const registers = [registry];
  new Gauge({
    name: "dockershim_build_info",
    help: "Always 1; the versions of this program and of Node.js.",
    labelNames: ["version", "node_version"] as const,
    registers,
  }).set({ version, node_version: process.version }, 1);
  gauge(
    registry,
    "dockershim_inventory_complete",
    "1 while Docker's events keep the view of pods and containers true, else 0.",
    () => (health.reason === undefined ? 1 : 0),
  );
  gauge(
    registry,
    "dockershim_inventory_age_seconds",
    "Since the view was true for the last time, or since the start; 0 while it is.",
    () => health.ageSeconds,
  );
  new Gauge({
    name: "dockershim_inventory_entries",
    help: "Sandboxes and containers that are known.",
    labelNames: ["kind"] as const,
    registers,
    collect() {
      for (const kind of kinds) this.set({ kind }, entries(kind));
    },
  });
  new Counter({
    name: "dockershim_inventory_resyncs_total",
    help: "How often everything was listed anew because Docker's events were lost.",
    registers,
    collect() {
      this.reset();
      this.inc(health.resyncs);
    },
  });
}
