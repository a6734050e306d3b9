import assert from "node:assert/strict";
import { test } from "node:test";
import { readTracing } from "../../../src/observability/tracing-settings.js";

const cases = [
  { title: "nothing set", env: {}, protocol: undefined },
  { title: "an empty endpoint", env: { OTEL_EXPORTER_OTLP_ENDPOINT: "" }, protocol: undefined },
  {
    title: "an endpoint",
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" },
    protocol: "http/protobuf",
  },
  {
    title: "an endpoint for traces only",
    env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/v1/traces" },
    protocol: "http/protobuf",
  },
  { title: "the exporter alone", env: { OTEL_TRACES_EXPORTER: "otlp" }, protocol: "http/protobuf" },
  {
    title: "the exporter none",
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_TRACES_EXPORTER: "none" },
    protocol: undefined,
  },
  {
    title: "a disabled SDK",
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "TRUE" },
    protocol: undefined,
  },
  {
    title: "an SDK that is not disabled",
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "false" },
    protocol: "http/protobuf",
  },
  {
    title: "the protocol grpc",
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4317", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    protocol: "grpc",
  },
  {
    title: "a protocol for traces beside one for everything",
    env: {
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
    },
    protocol: "http/json",
  },
];
for (const { title, env, protocol } of cases) {
  test(`${title}: ${protocol ?? "no traces"}`, () =>
    assert.deepEqual(readTracing(env), { settings: protocol && { protocol }, ignored: [] }));
}

test("an exporter that is not known makes no traces, and that is told", () => {
  const { settings, ignored } = readTracing({ OTEL_TRACES_EXPORTER: "console" });
  assert.equal(settings, undefined);
  assert.match(ignored.join(), /^OTEL_TRACES_EXPORTER=console is ignored.*otlp and none$/);
});

test("a protocol that is not known gives way to the usual one, and that is told", () => {
  const { settings, ignored } = readTracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318",
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "thrift",
  });
  assert.deepEqual(settings, { protocol: "http/protobuf" });
  assert.match(ignored.join(), /^OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=thrift is ignored.*grpc$/);
});
