/** RPCs, Docker calls and CNI runs as spans, with OpenTelemetry's names. They carry ids, and no text of anybody's. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { DockerCall } from "../docker/observed-engine.js";
import { CriError } from "../errors.js";
import type { AsCaller, RpcObserver } from "../grpc/observe.js";
import type { PluginRun } from "../network/cni/plugins.js";
import { unobserved, type Observer, type Work } from "../observer.js";

export interface Spans {
  rpcs: RpcObserver;
  docker: Observer<DockerCall>;
  plugins: Observer<PluginRun>;
  asCaller: AsCaller;
}

/** Codes that are a server's fault (OpenTelemetry, semantic conventions for gRPC). */
const serverFaults = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

export function spansOf(tracer: Tracer): Spans {
  const propagator = new W3CTraceContextPropagator();
  /** The span that the running code belongs to; none in what this program does by itself. */
  const current = new AsyncLocalStorage<Context>();

  /** Of an RPC; what this program does by itself, like looking for Docker again and again, makes no traces. */
  const child = (name: string, kind: SpanKind, attributes: Attributes): Work<unknown> => {
    const parent = current.getStore();
    if (!parent) return unobserved.started(undefined);
    const span = tracer.startSpan(name, { kind, attributes }, parent);
    return spanning(span, parent, (error) => {
      if (error !== undefined) fail(span, error instanceof CriError ? error.kind : "internal");
    });
  };
  const spanning = <End>(span: Span, parent: Context, ended: (end: End) => void): Work<End> => {
    const context = trace.setSpan(parent, span);
    return {
      within: (part) => current.run(context, part),
      ended: (end) => {
        ended(end);
        span.end();
      },
    };
  };

  return {
    asCaller: (header, run) => {
      const getter = { get: (from: typeof header, name: string) => from(name), keys: () => [] };
      current.run(propagator.extract(ROOT_CONTEXT, header, getter), run);
    },
    rpcs: {
      started: ({ service, method, apiVersion, request }) => {
        const rpcService = `runtime.${apiVersion}.${service}`;
        const attributes = {
          "rpc.system": "grpc",
          "rpc.service": rpcService,
          "rpc.method": method,
          ...idsOf(request),
        };
        const parent = current.getStore() ?? ROOT_CONTEXT;
        const span = tracer.startSpan(
          `${rpcService}/${method}`,
          { kind: SpanKind.SERVER, attributes },
          parent,
        );
        return spanning(span, parent, ({ code, codeName, reply = {} }) => {
          span.setAttributes({ "rpc.grpc.status_code": code, ...idsOf(reply) });
          if (serverFaults.has(codeName)) fail(span, codeName);
        });
      },
    },
    docker: {
      started: ({ operation, containerId }) =>
        child(`docker ${operation}`, SpanKind.CLIENT, {
          "docker.operation": operation,
          ...(containerId === undefined ? {} : { "container.id": containerId }),
        }),
    },
    plugins: {
      started: ({ type, command, sandboxId }) =>
        child(`cni ${type} ${command}`, SpanKind.INTERNAL, {
          "cni.plugin": type,
          "cni.command": command,
          ...(sandboxId === undefined ? {} : { "sandbox.id": sandboxId }),
        }),
    },
  };
}

/** Messages are left out: Docker's quote command lines, and plugins' are whatever they are. */
function fail(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Of a request or a reply. */
function idsOf(message: object): Attributes {
  const { podSandboxId, containerId } = message as { podSandboxId?: unknown; containerId?: unknown };
  return {
    ...(typeof podSandboxId === "string" && podSandboxId !== "" ? { "sandbox.id": podSandboxId } : {}),
    ...(typeof containerId === "string" && containerId !== "" ? { "container.id": containerId } : {}),
  };
}
