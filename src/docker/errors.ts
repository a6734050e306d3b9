/** The only place that knows what Docker's HTTP statuses and Node's socket errors mean to us. */
import { CriError, messageOf, type ErrorKind } from "../errors.js";

const byStatus: Record<number, ErrorKind> = {
  400: "invalid",
  401: "denied",
  403: "denied",
  404: "notFound",
  409: "failedPrecondition",
  501: "unimplemented",
  503: "unavailable",
};

/** Socket errors that mean that the daemon is not there (any more). */
const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ECONNABORTED",
  "ETIMEDOUT",
  "EACCES",
]);

/**
 * Anything that a call to the daemon threw, as a CriError whose message is the daemon's own.
 * @param doing what we were doing, for messages that say nothing of it ("inspect container abc")
 */
export function fromDocker(doing: string, error: unknown, signal?: AbortSignal): CriError {
  if (error instanceof CriError) return error;
  if (signal?.aborted) return abortError(doing, signal.reason, error);
  const status = field(error, "statusCode");
  if (typeof status === "number") {
    return new CriError(byStatus[status] ?? "internal", `${doing}: ${daemonMessage(error)}`, {
      cause: error,
    });
  }
  const code = field(error, "code");
  if (typeof code === "string" && unreachable.has(code)) {
    return new CriError("unavailable", `cannot reach the Docker Engine: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return new CriError("internal", `${doing}: ${messageOf(error)}`, { cause: error });
}

/** The HTTP status that the daemon answered with, if this is such an error. */
export function statusOf(error: unknown): number | undefined {
  const status = field(error instanceof CriError ? error.cause : error, "statusCode");
  return typeof status === "number" ? status : undefined;
}

function abortError(doing: string, reason: unknown, cause: unknown): CriError {
  if (reason instanceof CriError) return reason;
  const timedOut = reason instanceof Error && reason.name === "TimeoutError";
  return timedOut
    ? new CriError("deadline", `${doing}: the Docker Engine did not answer in time`, { cause })
    : new CriError("cancelled", `${doing}: cancelled`, { cause });
}

/** docker-modem wraps the daemon's sentence in "(HTTP code 404) reason - sentence "; the body has it bare. */
function daemonMessage(error: unknown): string {
  const body = field(error, "json");
  const message = field(body, "message");
  if (typeof message === "string") return message;
  return messageOf(error)
    .replace(/^\(HTTP code \d+\) .*? - /, "")
    .trim();
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
