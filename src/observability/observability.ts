/** Who listens to this program's work: metrics, traces, both or nobody. What is off is not even loaded. */
import { observedEngine, type DockerCall } from "../docker/observed-engine.js";
import type { Engine } from "../docker/engine.js";
import type { RpcObservation } from "../grpc/observe.js";
import type { Log } from "../log.js";
import type { PluginRun } from "../network/cni/plugins.js";
import { together, unobserved, type Observer } from "../observer.js";
import type { Grant } from "../streaming/server.js";
import type { MetricSources } from "./metrics.js";
import { MetricsServer } from "./metrics-server.js";
import type { Tracing } from "./tracing.js";
import type { TracingSettings } from "./tracing-settings.js";

export interface ObservabilityOptions extends MetricSources {
  metrics: { host: string; port: number } | undefined;
  tracing: TracingSettings | undefined;
  log: Log;
}

export interface Observability extends RpcObservation {
  plugins: Observer<PluginRun>;
  sessions: Observer<Pick<Grant, "kind">>;
  /** The same engine, told of call by call. */
  engine(engine: Engine): Engine;
  /**
   * Listens for monitoring, if that is wanted.
   * @throws CriError unavailable when it cannot
   */
  serve(engine: Pick<Engine, "version">): Promise<void>;
  close(): Promise<void>;
}

/** What Docker may take for its version when a probe asks. */
const probeMs = 2000;

export async function startObservability(options: ObservabilityOptions): Promise<Observability> {
  const { log, health } = options;
  const metrics = options.metrics && (await import("./metrics.js")).makeMetrics(options);
  const tracing = options.tracing && (await tracingOrNone(options.tracing, options));
  let server: MetricsServer | undefined;

  const whyNotReady = async (engine: Pick<Engine, "version">): Promise<string | undefined> => {
    if (health.reason !== undefined) return `the inventory is not complete: ${health.reason}`;
    return await engine.version(AbortSignal.timeout(probeMs)).then(
      () => undefined,
      (error: Error) => error.message,
    );
  };

  const docker: Observer<DockerCall> = joined(metrics?.docker, tracing?.docker);
  return {
    rpcs: joined(metrics?.rpcs, tracing?.rpcs),
    ...(tracing && { asCaller: tracing.asCaller }),
    plugins: joined(metrics?.plugins, tracing?.plugins),
    sessions: joined(metrics?.sessions, undefined),
    engine: (engine) => (docker === unobserved ? engine : observedEngine(engine, docker)),
    serve: async (engine) => {
      if (!options.metrics || !metrics) return;
      const { text, contentType } = metrics;
      const starting = new MetricsServer({
        ...options.metrics,
        text,
        contentType,
        whyNotReady: () => whyNotReady(engine),
      });
      log.info("serving metrics", { address: await starting.start() });
      server = starting;
    },
    close: async () => {
      await server?.close();
      await tracing?.close();
    },
  };
}

/** Pods run without traces as well. */
async function tracingOrNone(
  settings: TracingSettings,
  { version, log }: ObservabilityOptions,
): Promise<Tracing | undefined> {
  try {
    return await (await import("./tracing.js")).startTracing(settings, version, log);
  } catch (error) {
    log.warn("there are no traces", { error });
    return undefined;
  }
}

function joined<About, End>(
  first: Observer<About, End> | undefined,
  second: Observer<About, End> | undefined,
): Observer<About, End> {
  return first && second ? together(first, second) : (first ?? second ?? unobserved);
}
