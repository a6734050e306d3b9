/** CRI's stop signals and Docker's names for them (pure). */
import type { Signal__Output as Signal } from "../generated/runtime/v1/Signal.js";
import { constants } from "node:os";

/** Docker's name ("SIGTERM", "SIGRTMIN+3"), or undefined for the runtime's default. */
export function toDockerSignal(signal: Signal): string | undefined {
  if (signal === "SIGNAL_RUNTIME_DEFAULT") return undefined;
  return signal
    .replace(/^SIGNAL_/, "")
    .replace(/PLUS(\d+)$/, "+$1")
    .replace(/MINUS(\d+)$/, "-$1");
}

/** CRI's name for a signal as Docker reports it: a name with or without SIG, or a number. */
export function fromDockerSignal(name: string | undefined): Signal {
  if (!name) return "SIGNAL_SIGTERM";
  const text = /^\d+$/.test(name) ? numbered(Number(name)) : name.toUpperCase();
  const long = text.startsWith("SIG") ? text : `SIG${text}`;
  return `SIGNAL_${long.replace("+", "PLUS").replace(/-(\d)/, "MINUS$1")}` as Signal;
}

/** Linux's real-time signals as libc numbers them: 34 to 64. */
const realTime = { min: 34, max: 64 };

function numbered(number: number): string {
  const named = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  if (named) return named;
  if (number >= realTime.min && number <= realTime.max) {
    const above = number - realTime.min;
    if (above === 0) return "SIGRTMIN";
    if (number === realTime.max) return "SIGRTMAX";
    return above <= 15 ? `SIGRTMIN+${above}` : `SIGRTMAX-${realTime.max - number}`;
  }
  return "SIGTERM";
}
