/**
 * OpenTelemetry's SDK, as its standard environment variables set it up. Nothing imports this file but a start that
 * is to make traces.
 */
import { diag, DiagLogLevel } from "@opentelemetry/api";
import { ExportResultCode } from "@opentelemetry/core";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../errors.js";
import type { Log } from "../log.js";
import { spansOf, type Spans } from "./spans.js";
import type { TracingProtocol, TracingSettings } from "./tracing-settings.js";

export interface Tracing extends Spans {
  /** Sends what there is, within 3 s. */
  close(): Promise<void>;
}

const closeMs = 3000;

const makeExporter: Record<TracingProtocol, () => Promise<SpanExporter>> = {
  "http/protobuf": async () =>
    new (await import("@opentelemetry/exporter-trace-otlp-proto")).OTLPTraceExporter(),
  "http/json": async () => new (await import("@opentelemetry/exporter-trace-otlp-http")).OTLPTraceExporter(),
  grpc: async () => new (await import("@opentelemetry/exporter-trace-otlp-grpc")).OTLPTraceExporter(),
};

/** @param version this program's */
export async function startTracing(
  { protocol }: TracingSettings,
  version: string,
  log: Log,
): Promise<Tracing> {
  const provider = await saying(log, async () => {
    const resource = defaultResource()
      .merge(resourceFromAttributes({ "service.name": "dockershim", "service.version": version }))
      .merge(detectResources({ detectors: [envDetector] }));
    const exporter = watched(await makeExporter[protocol](), log);
    return new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter)] });
  });
  log.info("traces are made", { protocol });
  return {
    ...spansOf(provider.getTracer("dockershim", version)),
    close: async () => {
      // What cannot be sent was told of by the exporter.
      const flushed = provider.shutdown().catch(() => undefined);
      await Promise.race([flushed, delay(closeMs, undefined, { ref: false })]);
    },
  };
}

/** What the SDK says of its variables goes to the log; later it would repeat every failed export. */
async function saying<T>(log: Log, setUp: () => Promise<T>): Promise<T> {
  const say = (sentence: string) => log.warn("OpenTelemetry", { detail: sentence });
  const quiet = () => undefined;
  diag.setLogger(
    { error: say, warn: say, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  try {
    return await setUp();
  } finally {
    diag.disable();
  }
}

/** The same exporter; the log has one line when it begins to fail, and one when it works again. */
function watched(exporter: SpanExporter, log: Log): SpanExporter {
  let failing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed && !failing) {
          log.warn("traces cannot be sent; there is another line when they can", {
            error: messageOf(result.error ?? "unknown"),
          });
        }
        if (!failed && failing) log.info("traces can be sent again");
        failing = failed;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}
