import type { Log } from "./log.js";

type Undo = () => Promise<unknown>;

/**
 * Runs `work`; when it throws, runs the undo steps that it registered, newest first, and rethrows its error.
 * Undo steps never see the request's signal, which may be the reason for undoing; one that fails is logged
 * and does not hide the first error or stop the others.
 */
export async function withRollback<T>(
  log: Log,
  work: (undo: (step: string, action: Undo) => void) => Promise<T>,
): Promise<T> {
  const steps: { step: string; action: Undo }[] = [];
  try {
    return await work((step, action) => void steps.push({ step, action }));
  } catch (error) {
    for (const { step, action } of steps.reverse()) {
      await action().catch((failure: unknown) => log.warn("undo failed", { step, error: failure }));
    }
    throw error;
  }
}
