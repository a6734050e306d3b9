/** What the tests of CNI share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { CniVersion, Json, NetworkConf } from "../../../../src/network/cni/conf.js";
import type { NetworkRequest } from "../../../../src/network/pod-network.js";

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "dockershim-cni-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A network with these plugins, each said by its type or by its own words. */
export const networkConf = (
  cniVersion: CniVersion,
  plugins: (string | ({ type: string } & Json))[] = ["bridge"],
  overrides: Partial<NetworkConf> = {},
): NetworkConf => ({
  name: "pods",
  cniVersion,
  disableCheck: false,
  disableGC: false,
  plugins: plugins.map((plugin) => {
    const raw = typeof plugin === "string" ? { type: plugin } : plugin;
    return { type: raw.type, raw };
  }),
  ...overrides,
});

/** A pod that asks for nothing. */
export const networkRequest = (overrides: Partial<NetworkRequest> = {}): NetworkRequest => ({
  metadata: { name: "web", namespace: "default", uid: "u-1" },
  annotations: {},
  ports: [],
  dns: undefined,
  ...overrides,
});

/** So that writing to it throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
