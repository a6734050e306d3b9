/** Versions of Docker's API, as "1.44" (pure). */

/** Whether an engine's API is that version or a newer one. */
export function hasApi(apiVersion: string, least: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/** The lower of two. */
export const olderOf = (a: string, b: string): string => (hasApi(b, a) ? a : b);
