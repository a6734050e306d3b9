/** Tells an observer of the RPCs, so that it need not know gRPC. */
import { status, type Metadata, type UntypedHandleCall } from "@grpc/grpc-js";
import { unobserved, type Observer } from "../observer.js";
import type { Operation, StreamOperation } from "./adapt.js";
import type { ApiVersion, ServiceName } from "./proto.js";
import { toStatus } from "./status.js";

export interface RpcCall {
  service: ServiceName;
  method: string;
  apiVersion: ApiVersion;
  request: object;
}

export type RpcAbout = Omit<RpcCall, "request">;

export interface RpcEnd {
  /** gRPC's number and name of the outcome. */
  code: number;
  codeName: string;
  /** Absent after a failure. */
  reply?: object;
}

export type RpcObserver = Observer<RpcCall, RpcEnd>;

/** Runs a call as part of the trace that its caller is in, by the headers of W3C Trace Context. */
export type AsCaller = (header: (name: string) => string | undefined, run: () => void) => void;

export interface RpcObservation {
  rpcs: RpcObserver;
  /** Absent when nobody traces. */
  asCaller?: AsCaller;
}

const endOf = (error: unknown): RpcEnd => {
  const { code } = toStatus(error);
  return { code, codeName: status[code] };
};

/** The same operation, told of. */
export function observeOperation(observer: RpcObserver, about: RpcAbout, operation: Operation): Operation {
  if (observer === unobserved) return operation;
  return async (request, context) => {
    const work = observer.started({ ...about, request });
    try {
      const reply = await work.within(() => operation(request, context));
      work.ended({ code: status.OK, codeName: "OK", reply });
      return reply;
    } catch (error) {
      work.ended(endOf(error));
      throw error;
    }
  };
}

/** The same for an operation that streams; it ends with its last message, or when its client leaves. */
export function observeStream(
  observer: RpcObserver,
  about: RpcAbout,
  operation: StreamOperation,
): StreamOperation {
  if (observer === unobserved) return operation;
  return async function* (request, context) {
    const work = observer.started({ ...about, request });
    let end: RpcEnd = { code: status.OK, codeName: "OK" };
    try {
      yield* work.within(() => operation(request, context));
    } catch (error) {
      end = endOf(error);
      throw error;
    } finally {
      work.ended(end);
    }
  };
}

/** The same handler, of any kind, in its caller's trace. */
export const handleAsCaller = (asCaller: AsCaller, handler: unknown): UntypedHandleCall => {
  const handle = handler as (call: { metadata: Metadata }, ...rest: unknown[]) => void;
  return (call: { metadata: Metadata }, ...rest: unknown[]): void =>
    asCaller(
      (name) => call.metadata.get(name)[0]?.toString(),
      () => handle(call, ...rest),
    );
};
