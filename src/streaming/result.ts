/** How a command ended, in the forms that clients read (pure). */
import type { CommandResult } from "./command.js";

export interface StatusForms {
  /** A metav1.Status, for protocols from v4 on: always sent. */
  json: string;
  /** For older protocols: sent on failure only. */
  text: string | undefined;
}

/** @param doing "executing command in container" or "attaching to container" */
export function toStatusForms(result: CommandResult, doing: string): StatusForms {
  if (result.kind === "exited" && result.code === 0) {
    return { json: JSON.stringify({ metadata: {}, status: "Success" }), text: undefined };
  }
  if (result.kind === "exited") {
    // client-go reads the code as an unsigned 8-bit number; what does not fit must not look like success.
    const code = String(result.code > 0 && result.code <= 255 ? result.code : 255);
    const message = `command terminated with non-zero exit code: exit status ${code}`;
    const details = { causes: [{ reason: "ExitCode", message: code }] };
    return failure(message, { reason: "NonZeroExitCode", details });
  }
  const cause = `error ${doing}: ${result.message}`;
  const details = { causes: [{ message: cause }] };
  return failure(`Internal error occurred: ${cause}`, { reason: "InternalError", details, code: 500 });
}

const failure = (message: string, rest: object): StatusForms => ({
  json: JSON.stringify({ metadata: {}, status: "Failure", message, ...rest }),
  text: message,
});
