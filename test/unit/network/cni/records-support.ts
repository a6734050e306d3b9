/** What the tests of attachments' files share. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Json } from "../../../../src/network/cni/conf.js";
import { AttachmentRecords, type AttachmentRecord } from "../../../../src/network/cni/records.js";
import { fullId, recordingLog } from "../../../support/builders.js";
import { networkConf, temporaryFolder } from "./support.js";

/** A cache directory, and the records as a server has them that starts on it. */
export function setUp(t: TestContext) {
  const cache = join(temporaryFolder(t), "cni");
  const results = join(cache, "results");
  const log = recordingLog();
  const start = async () => {
    const records = new AttachmentRecords(cache, log);
    await records.load();
    return records;
  };
  const put = (name: string, text: string) => {
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, name), text);
  };
  return { cache, results, log, start, put, files: () => readdirSync(results).sort() };
}

export const a = fullId("a");
export const b = fullId("b");
export const result = { cniVersion: "0.4.0", ips: [{ version: "4", address: "10.1.0.5/24" }] };

export const record = (overrides: Partial<AttachmentRecord> = {}): AttachmentRecord => ({
  containerId: a,
  conf: networkConf("0.4.0", ["bridge", { type: "portmap", capabilities: { portMappings: true } }]),
  netns: `/run/netns/cni-${a}`,
  args: [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAME", "web"],
  ],
  capabilityArgs: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp" }] },
  result,
  partial: false,
  engine: "engine-1",
  ...overrides,
});

export const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64");
export const plugins = [
  { type: "bridge", bridge: "cbr0", ipam: { type: "host-local" } },
  { type: "portmap", capabilities: { portMappings: true } },
];

/** As libcni writes it for a predecessor. */
export const predecessors = (overrides: Json = {}): Json => ({
  kind: "cniCacheV1",
  containerId: a,
  config: base64({ cniVersion: "0.4.0", name: "k8s-pods", plugins }),
  ifName: "eth0",
  networkName: "k8s-pods",
  cniArgs: [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAMESPACE", "default"],
    ["K8S_POD_NAME", "web"],
    ["K8S_POD_INFRA_CONTAINER_ID", a],
  ],
  capabilityArgs: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp", hostIP: "" }] },
  result,
  ...overrides,
});
