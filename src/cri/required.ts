import { CriError } from "../errors.js";
import type { ImageSpec__Output } from "../generated/runtime/v1/ImageSpec.js";

/** Names the empty field (pure). */
export function required(value: string, field: string): string {
  if (value === "") throw new CriError("invalid", `${field} is required`);
  return value;
}

export function requiredImage(image: ImageSpec__Output | null, field: string): string {
  if (!image) throw new CriError("invalid", `${field} is required`);
  return required(image.image, `${field}.image`);
}

/** What the Docker Engine reads as a number of seconds. */
const longestSeconds = 2 ** 31 - 1;

/** Seconds, as an int64 in text; negative is an error, and what nobody will live to see is cut. */
export function seconds(value: string, field: string): number {
  const number = Number(value);
  if (number < 0) throw new CriError("invalid", `${field} is negative: ${value}`);
  return Math.min(number, longestSeconds);
}

/** The loader gives an enum's value its name; what is still a number is none of the interface's. */
export function checkKnown(value: string | undefined, field: string): void {
  if (value === undefined || typeof value === "string") return;
  throw new CriError("invalid", `${field} ${String(value)} is unknown`);
}
