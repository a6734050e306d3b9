import { status, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { CriError, messageOf, type ErrorKind } from "../errors.js";

const codes: Record<ErrorKind, status> = {
  invalid: status.INVALID_ARGUMENT,
  notFound: status.NOT_FOUND,
  alreadyExists: status.ALREADY_EXISTS,
  failedPrecondition: status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  exhausted: status.RESOURCE_EXHAUSTED,
  denied: status.PERMISSION_DENIED,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
};

/** Trailers must fit in a client's header limit; the log has the whole text. */
const longestMessage = 4096;

/** Any error as a gRPC status; what is no CriError is a bug of ours, and INTERNAL. */
export const toStatus = (error: unknown): Pick<StatusObject, "code" | "details"> & Partial<ServiceError> => ({
  code: error instanceof CriError ? codes[error.kind] : status.INTERNAL,
  details: messageOf(error).slice(0, longestMessage),
});
