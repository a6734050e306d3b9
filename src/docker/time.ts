/** Docker's RFC 3339 time in nanoseconds since the epoch; its zero time (year 1) becomes 0n (pure). */
export function toNanos(time: string): bigint {
  if (time === "" || time.startsWith("0001-")) return 0n;
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "";
  const wholeMs = Date.parse(time.replace(/\.\d+/, ""));
  return BigInt(wholeMs) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
