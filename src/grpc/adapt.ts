/** Where grpc-js's callbacks and events end: inward there are promises and AbortSignals. */
import { once } from "node:events";
import {
  status,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import type { CallContext } from "../cri/context.js";
import { CriError, isKind } from "../errors.js";
import type { Log } from "../log.js";
import type { ApiVersion } from "./proto.js";
import { toStatus } from "./status.js";

export type Operation = (request: never, context: CallContext) => Promise<object>;
export type StreamOperation = (request: never, context: CallContext) => AsyncIterable<object>;
type Message = Record<string, unknown>;

/** Wraps one unary RPC: cancellation in, status out, one log line per call. */
export function unary(
  method: string,
  apiVersion: ApiVersion,
  operation: Operation,
  log: Log,
): handleUnaryCall<never, object> {
  return (call, callback) => {
    const started = performance.now();
    const context = new UnaryContext(call, apiVersion);
    const finish = (error: unknown, reply?: object): void => {
      context.end();
      logCall(log, method, started, call.request, error, reply);
      if (error === undefined) callback(null, reply);
      else callback(toStatus(error));
    };
    // The extra step turns a throw before the first await into a rejection.
    Promise.resolve()
      .then(() => operation(call.request, context))
      .then(
        (reply) => finish(undefined, reply),
        (error: unknown) => finish(error ?? new CriError("internal", "unknown error")),
      );
  };
}

const cancelled = (): CriError => new CriError("cancelled", "the client cancelled the request");

/** A signal is dear beside a read that has no use for it, so it is made for who asks for it. */
class UnaryContext implements CallContext {
  #abort: AbortController | undefined;

  constructor(
    private readonly call: ServerUnaryCall<never, object>,
    readonly apiVersion: ApiVersion,
  ) {}

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.call.cancelled) this.#cancel();
      else this.call.once("cancelled", this.#cancel);
    }
    return this.#abort.signal;
  }

  /** grpc-js says "cancelled" after a normal end as well. */
  end(): void {
    if (this.#abort) this.call.off("cancelled", this.#cancel);
  }

  readonly #cancel = (): void => this.#abort?.abort(cancelled());
}

/**
 * Wraps one server-streaming RPC in the same way. The next message is asked for when the client has room for it, so a
 * client that does not read costs one message.
 * @param open the calls under way, for whoever must end them: a stream may go on for ever
 */
export function serverStream(
  method: string,
  apiVersion: ApiVersion,
  operation: StreamOperation,
  log: Log,
  open: Set<AbortController>,
): handleServerStreamingCall<never, object> {
  return (call) => {
    const started = performance.now();
    const abort = new AbortController();
    const { signal } = abort;
    open.add(abort);
    call.once("cancelled", () => abort.abort(cancelled()));
    const run = async (): Promise<void> => {
      for await (const message of operation(call.request, { signal, apiVersion })) {
        signal.throwIfAborted();
        if (!call.write(message)) await once(call, "drain", { signal });
      }
      signal.throwIfAborted();
    };
    run()
      .catch((error: unknown) => (signal.aborted ? (signal.reason as unknown) : error))
      .then((error) => {
        open.delete(abort);
        logCall(log, method, started, call.request, error);
        if (error === undefined) call.end();
        // grpc-js sends what an "error" event says as the call's status.
        else call.emit("error", toStatus(error));
      })
      .catch((error: unknown) => log.error("a stream could not be ended", { method, error }));
  };
}

/** An RPC that is not built yet says so, whatever its kind. */
export const notImplemented =
  (method: string, log: Log): handleUnaryCall<never, never> & handleServerStreamingCall<never, never> =>
  (call: { emit?: (event: string, error: object) => void }, callback?: (error: object) => void) => {
    // A kubelet asks for some of them all the time.
    log.debug(method, { code: status[status.UNIMPLEMENTED] });
    const error = { code: status.UNIMPLEMENTED, details: `${method} is not implemented yet` };
    if (callback) callback(error);
    else call.emit?.("error", error);
  };

/** RPCs that only read, which a kubelet calls every second: their success is not news. */
const isRead = (method: string): boolean =>
  /^(List|Stream|Version|Status|RuntimeConfig|ImageFsInfo|GetContainerEvents)|(Status|Stats)$/.test(method);

function logCall(
  log: Log,
  method: string,
  started: number,
  request: Message,
  error: unknown,
  reply?: object,
): void {
  const fields = () => ({
    ...idsOf(request),
    ...idsOf((reply ?? {}) as Message),
    ms: Math.round((performance.now() - started) * 10) / 10,
  });
  if (error === undefined) {
    log[isRead(method) ? "debug" : "info"](method, fields);
    return;
  }
  const { code, details } = toStatus(error);
  const bug = code === status.INTERNAL && error instanceof Error && !isKind(error, "internal");
  log[bug ? "error" : "warn"](method, {
    ...fields(),
    code: status[code],
    error: details,
    ...(bug ? { stack: error.stack } : {}),
  });
}

/** The ids and names by which a call is found again; nothing else of a message is logged. */
function idsOf(message: Message): Message {
  const metadata = nested(message, "config", "metadata");
  const image = nested(message, "image");
  const ids = {
    podSandboxId: message["podSandboxId"],
    containerId: message["containerId"],
    imageRef: message["imageRef"],
    image: image?.["image"],
    name: metadata?.["name"],
    namespace: metadata?.["namespace"],
  };
  return Object.fromEntries(Object.entries(ids).filter(([, value]) => value !== undefined && value !== ""));
}

function nested(message: Message, ...path: string[]): Message | undefined {
  let value: unknown = message;
  for (const key of path) {
    value = typeof value === "object" && value !== null ? (value as Message)[key] : undefined;
  }
  return typeof value === "object" && value !== null ? (value as Message) : undefined;
}
