/** How fast a pod's network may be, as its annotations say it (pure). */
import { CriError } from "../errors.js";

/** In bits per second; absent where there is no limit. */
export interface Bandwidth {
  /** To the pod. */
  ingress?: number;
  /** From the pod. */
  egress?: number;
}

const annotationOf = {
  ingress: "kubernetes.io/ingress-bandwidth",
  egress: "kubernetes.io/egress-bandwidth",
};

/** Kubernetes' own limits (pkg/util/bandwidth). */
const [least, most] = [1_000n, 1_000_000_000_000_000n];

const mebibit = 2 ** 20;
/** 2 GiB: tc counts bytes in 32 bits. */
const largestBurst = 2 ** 34;

/** @throws CriError invalid naming the annotation and its value */
export function parseBandwidth(annotations: Readonly<Record<string, string>>): Bandwidth {
  const rateOf = (annotation: string) => {
    const value = annotations[annotation];
    return value === undefined ? undefined : parseRate(annotation, value);
  };
  const ingress = rateOf(annotationOf.ingress);
  const egress = rateOf(annotationOf.egress);
  return {
    ...(ingress === undefined ? {} : { ingress }),
    ...(egress === undefined ? {} : { egress }),
  };
}

/**
 * How many bits may come at once, above the rate, after a pause. The predecessors' burst had practically no end, so
 * that a pod could move gigabytes before its limit counted; with this one it counts from the start.
 */
export const burstOf = (rate: number): number =>
  Math.min(Math.max(Math.ceil(rate / 10), mebibit), largestBurst);

function parseRate(annotation: string, value: string): number {
  const refuse = (why: string) =>
    new CriError("invalid", `annotation ${annotation}: ${JSON.stringify(value.slice(0, longest))} is ${why}`);
  const rate = parseQuantity(value);
  if (rate === undefined) throw refuse("not a quantity of bits per second, as 10M");
  if (rate < least) throw refuse("unreasonably small (less than 1k)");
  if (rate > most) throw refuse("unreasonably large (more than 1P)");
  return Number(rate);
}

/** Powers of ten; the binary ones are powers of 1024. */
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/** Nobody writes a longer one; and a power of ten like this is beyond every limit here. */
const longest = 64;

/** Kubernetes' resource.Quantity as a whole number, rounded up; undefined if it is none. */
function parseQuantity(text: string): bigint | undefined {
  const parts = /^([+-]?)(?=\.?\d)(\d*)\.?(\d*)(?:[eE]([+-]?\d+)|([numkMGTPE]?)|([KMGTPE]i))$/.exec(text);
  if (!parts || text.length > longest) return undefined;
  const [, sign, whole = "", fraction = "", exponent, suffix = "", binarySuffix] = parts;
  const digits = BigInt(`${whole}${fraction}`) * (sign === "-" ? -1n : 1n);
  const power = (exponent === undefined ? (decimal[suffix] ?? 0) : clamp(Number(exponent))) - fraction.length;
  const multiplier = binarySuffix === undefined ? 1n : 1024n ** BigInt(binary.indexOf(binarySuffix) + 1);
  return power >= 0
    ? digits * multiplier * 10n ** BigInt(power)
    : divideUp(digits * multiplier, 10n ** BigInt(-power));
}

const clamp = (exponent: number): number => Math.min(Math.max(exponent, -2 * longest), 2 * longest);

/** BigInt's own division drops what is left, which rounds negative numbers up. */
const divideUp = (a: bigint, b: bigint): bigint => a / b + (a > 0n && a % b !== 0n ? 1n : 0n);
