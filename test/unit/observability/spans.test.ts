import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { CriError } from "../../../src/errors.js";
import { spansOf } from "../../../src/observability/spans.js";
import { observed } from "../../../src/observer.js";

function setUp(t: TestContext) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  t.after(() => provider.shutdown());
  const spans = spansOf(provider.getTracer("test"));
  const rpc = (method: string) =>
    spans.rpcs.started({ service: "RuntimeService", apiVersion: "v1", method, request: {} });
  /** What has ended, by name, each with the name of what it is below. */
  const finished = () => {
    const all = exporter.getFinishedSpans();
    return all.map(({ name, parentSpanContext, attributes }) => ({
      name,
      below: all.find((span) => span.spanContext().spanId === parentSpanContext?.spanId)?.name,
      attributes,
    }));
  };
  return { ...spans, rpc, finished };
}

test("a run of a CNI plugin is a span below its RPC, with its sandbox and the kind of its failure", async (t) => {
  const { rpc, plugins, finished } = setUp(t);
  const run = rpc("RunPodSandbox");
  await assert.rejects(
    run.within(async () => {
      await nextTurn();
      await observed(plugins, { type: "bridge", command: "ADD", sandboxId: "5a" }, () =>
        Promise.reject(new CriError("deadline", "secret words of a plugin")),
      );
    }),
  );
  run.ended({ code: 4, codeName: "DEADLINE_EXCEEDED" });
  const [plugin, call] = finished();
  assert.deepEqual(plugin, {
    name: "cni bridge ADD",
    below: "runtime.v1.RuntimeService/RunPodSandbox",
    attributes: {
      "cni.plugin": "bridge",
      "cni.command": "ADD",
      "sandbox.id": "5a",
      "error.type": "deadline",
    },
  });
  assert.equal(call?.attributes["error.type"], "DEADLINE_EXCEEDED");
});

test("calls at the same time keep their children apart", async (t) => {
  const { rpc, docker, finished } = setUp(t);
  await Promise.all(
    ["A", "B"].map(async (method) => {
      const work = rpc(method);
      await work.within(async () => {
        await nextTurn();
        await observed(docker, { operation: `of_${method}` }, () => nextTurn());
      });
      work.ended({ code: 0, codeName: "OK", reply: {} });
    }),
  );
  const below = finished().map((span) => [span.name, span.below]);
  assert.deepEqual(below.sort(), [
    ["docker of_A", "runtime.v1.RuntimeService/A"],
    ["docker of_B", "runtime.v1.RuntimeService/B"],
    ["runtime.v1.RuntimeService/A", undefined],
    ["runtime.v1.RuntimeService/B", undefined],
  ]);
});

test("outside of any RPC Docker's calls are no spans", async (t) => {
  const { docker, finished } = setUp(t);
  await observed(docker, { operation: "events" }, () => nextTurn());
  assert.deepEqual(finished(), []);
});
