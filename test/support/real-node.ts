/**
 * A server of ours on the test node's real Docker Engine, and a client of it. The scripts that run these tests
 * say where the engine is; without them the tests fail, they do not skip.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { startApp } from "../../src/app.js";
import type { Config } from "../../src/config.js";
import { makeLog } from "../../src/log.js";
import { serverConfig } from "./builders.js";
import { tableClient, type Service, type Version } from "./table-client.js";

export const busybox = "registry.k8s.io/e2e-test-images/busybox:1.29-2";
const dockerEndpoint = process.env["DOCKERSHIM_TEST_DOCKER"];

// Replies have the shapes of the interface's tables, which are data and no types; a test that reads a field that is not
// there fails by itself.
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- for that reason
export type Reply = any;

export function dockerSocket(): string {
  if (!dockerEndpoint)
    throw new Error("run these through scripts/test --only docker, or inside scripts/test-node");
  return dockerEndpoint.replace("unix://", "");
}

/** The daemon itself, for what happens behind our back. */
export const docker = (): Docker => new Docker({ socketPath: dockerSocket() });

export type RealNode = Awaited<ReturnType<typeof startNode>>;

/** In this process, unless a test wants to measure or kill it. */
type Serve = (config: Config) => Promise<{ close(): Promise<void> }>;
const inProcess: Serve = (config) => startApp(config, makeLog(config.logLevel));

export async function startNode(
  overrides: Partial<Config> = {},
  version: Version = "v1",
  serve: Serve = inProcess,
) {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-node."));
  const config: Config = { ...serverConfig(directory), dockerSocketPath: dockerSocket(), ...overrides };
  const app = await serve(config);
  const client = tableClient(version, `unix:${config.socketPath}`);
  const made = new Set<string>();
  // The tests' containers run this image; it is in the node's registry.
  await client.call("ImageService", "PullImage", { image: { image: busybox } }).catch(() => undefined);
  let count = 0;

  const call = (service: Service, method: string, request: object, signal?: AbortSignal): Promise<Reply> =>
    client.call(service, method, request, signal);
  const runtime = (method: string, request: object, signal?: AbortSignal): Promise<Reply> =>
    call("RuntimeService", method, request, signal);
  const image = (method: string, request: object, signal?: AbortSignal): Promise<Reply> =>
    call("ImageService", method, request, signal);

  /** A config with metadata that no other has; fields given win. */
  const podConfig = (fields: object = {}): Reply => ({
    metadata: {
      name: `pod-${++count}`,
      namespace: "test",
      uid: `${process.pid}-${Date.now()}-${count}`,
      attempt: 0,
    },
    log_directory: join(directory, "logs"),
    ...fields,
  });
  const runPod = async (config: Reply, handler = ""): Promise<string> => {
    const { pod_sandbox_id } = await runtime("RunPodSandbox", { config, runtime_handler: handler });
    made.add(pod_sandbox_id);
    return pod_sandbox_id;
  };
  const podStatus = async (pod: string): Promise<Reply> =>
    (await runtime("PodSandboxStatus", { pod_sandbox_id: pod })).status;
  /** Every address, the primary one first. */
  const podIps = async (pod: string): Promise<string[]> => {
    const { ip, additional_ips } = (await podStatus(pod)).network;
    return [ip, ...additional_ips.map((more: { ip: string }) => more.ip)];
  };
  /** As a kubelet does it. */
  const removePod = async (pod: string): Promise<void> => {
    await runtime("StopPodSandbox", { pod_sandbox_id: pod });
    await runtime("RemovePodSandbox", { pod_sandbox_id: pod });
  };
  const removeAllPods = async (): Promise<void> => {
    for (const { id } of (await runtime("ListPodSandbox", {})).items) await removePod(id);
  };
  const create = async (pod: string, config: Reply, fields: object): Promise<string> => {
    const request = {
      pod_sandbox_id: pod,
      sandbox_config: config,
      config: {
        metadata: { name: `c-${++count}`, attempt: 0 },
        image: { image: busybox },
        command: ["sleep", "1000"],
        ...fields,
      },
    };
    return (await runtime("CreateContainer", request)).container_id;
  };
  /** A pod with one started container. */
  const start = async (fields: object = {}, podFields: object = {}) => {
    const config = podConfig(podFields);
    const pod = await runPod(config);
    const container = await create(pod, config, fields);
    await runtime("StartContainer", { container_id: container });
    return { pod, container, config };
  };
  const status = async (container: string): Promise<Reply> =>
    (await runtime("ContainerStatus", { container_id: container })).status;
  const exec = async (container: string, cmd: string[], timeout = 20): Promise<Reply> => {
    const reply = await runtime("ExecSync", { container_id: container, cmd, timeout: String(timeout) });
    return { exit: reply.exit_code, out: String(reply.stdout), err: String(reply.stderr) };
  };
  /** The server ends; its pods stay, and what it wrote elsewhere than into its own directory. */
  const leave = async (): Promise<void> => {
    client.close();
    await app.close();
    await rm(directory, { recursive: true, force: true });
  };
  const close = async (): Promise<void> => {
    for (const id of made) await runtime("RemovePodSandbox", { pod_sandbox_id: id }).catch(() => undefined);
    await leave();
  };
  return {
    directory,
    config,
    runtime,
    image,
    podConfig,
    runPod,
    podStatus,
    podIps,
    removePod,
    removeAllPods,
    create,
    start,
    status,
    exec,
    leave,
    close,
  };
}

/** The gRPC status name's number, for assert.rejects. */
export const code = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
};
