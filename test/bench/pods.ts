/** Pods as a kubelet asks for them: one sandbox with one sleeping container. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { busybox } from "../support/real-node.js";
import type { CriClient } from "./cri-client.js";

export interface Pod {
  sandbox: string;
  container: string;
}

let count = 0;

/** The config of a pod whose names no other has; the directories of its logs are there, as a kubelet makes them. */
export async function podConfig(logDirectory: string) {
  const name = `bench-${++count}`;
  const uid = `${process.pid}-${Date.now()}-${count}`;
  const ownDirectory = join(logDirectory, `bench_${name}_${uid}`);
  await mkdir(join(ownDirectory, "main"), { recursive: true });
  return {
    metadata: { name, namespace: "bench", uid, attempt: 0 },
    hostname: name,
    logDirectory: ownDirectory,
    dnsConfig: {
      servers: ["10.96.0.10"],
      searches: ["bench.svc.cluster.local", "svc.cluster.local", "cluster.local"],
      options: ["ndots:5"],
    },
    labels: { ...identity(name, uid), app: "bench", "pod-template-hash": "6d4cf56db6" },
    annotations: {
      "kubernetes.io/config.seen": "2024-05-01T10:00:00.000000000Z",
      "kubernetes.io/config.source": "api",
    },
    linux: { cgroupParent: `/kubepods/besteffort/pod${uid}`, securityContext: { namespaceOptions } },
  };
}

const namespaceOptions = { network: "POD", pid: "CONTAINER", ipc: "POD" };

const identity = (name: string, uid: string) => ({
  "io.kubernetes.pod.name": name,
  "io.kubernetes.pod.namespace": "bench",
  "io.kubernetes.pod.uid": uid,
});

export const containerConfig = ({ metadata: { name, uid } }: Awaited<ReturnType<typeof podConfig>>) => ({
  metadata: { name: "main", attempt: 0 },
  image: { image: busybox },
  command: ["sleep", "1000000"],
  // The variables of one service, and the one of every pod.
  envs: ["HOST", "PORT", "PORT_HTTPS"].map((key) => ({
    key: `KUBERNETES_SERVICE_${key}`,
    value: Buffer.from("10.96.0.1"),
  })),
  labels: { ...identity(name, uid), "io.kubernetes.container.name": "main" },
  annotations: {
    "io.kubernetes.container.hash": "6d4cf56d",
    "io.kubernetes.container.restartCount": "0",
    "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
    "io.kubernetes.container.terminationMessagePolicy": "File",
    "io.kubernetes.pod.terminationGracePeriod": "30",
  },
  logPath: "main/0.log",
  linux: { resources: { cpuShares: "2", oomScoreAdj: "1000" }, securityContext: { namespaceOptions } },
});

/** Makes one and starts it. */
export async function makePod(client: CriClient, logDirectory: string): Promise<Pod> {
  const config = await podConfig(logDirectory);
  const { podSandboxId } = await client.ask("RunPodSandbox", { config });
  const { containerId } = await client.ask("CreateContainer", {
    podSandboxId,
    config: containerConfig(config),
    sandboxConfig: config,
  });
  await client.ask("StartContainer", { containerId });
  return { sandbox: podSandboxId, container: containerId };
}

/** As many at a time as a kubelet may well have under way. */
const workers = 4;

/** Adds pods until there are `wanted`. */
export async function growTo(
  wanted: number,
  pods: Pod[],
  client: CriClient,
  logDirectory: string,
): Promise<void> {
  let left = wanted - pods.length;
  const worker = async () => {
    while (left-- > 0) pods.push(await makePod(client, logDirectory));
  };
  await Promise.all(Array.from({ length: workers }, worker));
}
