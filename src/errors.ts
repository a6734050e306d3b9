/**
 * What went wrong, in the domain's words. grpc/status.ts turns a kind into a gRPC code; nothing else does.
 * - invalid: the request itself cannot be right; the message names the field
 * - notFound: a pod, container or image that does not exist
 * - alreadyExists: a name that is taken
 * - failedPrecondition: right request, wrong moment (container not running, image in use)
 * - unavailable: Docker cannot be reached
 * - deadline, cancelled: time ran out; the client went away
 * - exhausted: a limit of ours was reached
 * - denied: a registry or the engine refused the credentials
 * - unimplemented: understood, and not built (yet), or not possible with this engine
 * - internal: everything else
 */
export type ErrorKind =
  | "invalid"
  | "notFound"
  | "alreadyExists"
  | "failedPrecondition"
  | "unavailable"
  | "deadline"
  | "cancelled"
  | "exhausted"
  | "denied"
  | "unimplemented"
  | "internal";

/** The one error class of the domain. Keep the reason in `cause`. */
export class CriError extends Error {
  override readonly name = "CriError";

  constructor(
    readonly kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** True when `error` is a CriError of that kind. */
export const isKind = (error: unknown, kind: ErrorKind): error is CriError =>
  error instanceof CriError && error.kind === kind;

/** For `.catch()`: swallows an error of that kind, rethrows any other. */
export const ignore =
  (kind: ErrorKind) =>
  (error: unknown): undefined => {
    if (isKind(error, kind)) return undefined;
    throw error;
  };

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Throws `cancelled` when the client has gone; call it between the steps of a long write. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new CriError("cancelled", "the client cancelled the request");
}
