/** RuntimeClass handlers and the Docker runtimes that they stand for (pure). */
import { CriError } from "../errors.js";
import type { HostFacts } from "./facts.js";

/** Docker runtimes by handler, as --runtime-handlers gives them. */
export type RuntimeHandlers = Readonly<Record<string, string>>;

type Runtimes = Pick<HostFacts, "runtimes">;

/**
 * The Docker runtime of a handler: the mapped one, else that of the same name; empty for the engine's default.
 * @throws CriError invalid for one that is not known, failedPrecondition for one whose runtime the engine lacks
 */
export function runtimeOf(handler: string, handlers: RuntimeHandlers, host: Runtimes): string {
  if (handler === "") return "";
  const mapped = mappedRuntime(handler, handlers);
  const runtime = mapped ?? handler;
  if (host.runtimes.includes(runtime)) return runtime;
  const known = `known are ${knownHandlers(handlers, host).slice(1).join(", ")}`;
  const name = `runtime_handler ${JSON.stringify(handler)}`;
  throw mapped === undefined
    ? new CriError("invalid", `${name} is not known to the Docker Engine; ${known}`)
    : new CriError(
        "failedPrecondition",
        `${name} is Docker's runtime ${JSON.stringify(runtime)} (--runtime-handlers), which the Docker Engine does not have; ${known}`,
      );
}

/** Every handler that a pod can ask for now, the default's empty name first. */
export function knownHandlers(handlers: RuntimeHandlers, host: Runtimes): string[] {
  const names = new Set([...host.runtimes, ...Object.keys(handlers)]);
  const usable = [...names].filter((name) => host.runtimes.includes(mappedRuntime(name, handlers) ?? name));
  return ["", ...usable.sort()];
}

/** A handler's name may be one of Object's own. */
const mappedRuntime = (handler: string, handlers: RuntimeHandlers): string | undefined =>
  Object.hasOwn(handlers, handler) ? handlers[handler] : undefined;
