/** What OpenTelemetry's standard environment variables say of whether and how traces are sent (pure). */

const protocols = ["http/protobuf", "http/json", "grpc"] as const;
export type TracingProtocol = (typeof protocols)[number];

export interface TracingSettings {
  protocol: TracingProtocol;
}

/** OpenTelemetry: an empty variable is one that is not set. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Traces are on when an endpoint is named, or the exporter "otlp". The SDK reads all the other variables (endpoints,
 * headers, certificates, resource, sampler, limits) itself. A value that is not known is ignored and told of, as the
 * specification demands: these variables may be meant for other programs as well.
 * @returns settings undefined when there are to be no traces, and a sentence for each value that is ignored
 */
export function readTracing(environment: Environment): {
  settings: TracingSettings | undefined;
  ignored: string[];
} {
  const off = { settings: undefined, ignored: [] };
  if (environment["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return off;
  const endpoint =
    environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || environment["OTEL_EXPORTER_OTLP_ENDPOINT"];
  const exporter = environment["OTEL_TRACES_EXPORTER"] || (endpoint ? "otlp" : "none");
  if (exporter === "none") return off;
  if (exporter !== "otlp") {
    const sentence = `OTEL_TRACES_EXPORTER=${exporter} is ignored, and there are no traces: known are otlp and none`;
    return { settings: undefined, ignored: [sentence] };
  }
  const name = environment["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
    ? "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    : "OTEL_EXPORTER_OTLP_PROTOCOL";
  const wanted = environment[name] || protocols[0];
  const protocol = protocols.find((known) => known === wanted);
  if (protocol) return { settings: { protocol }, ignored: [] };
  const sentence = `${name}=${wanted} is ignored, ${protocols[0]} is used: known are ${protocols.join(", ")}`;
  return { settings: { protocol: protocols[0] }, ignored: [sentence] };
}
