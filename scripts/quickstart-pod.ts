/**
 * One pod's life through real gRPC calls, a line for each: what scripts/quickstart shows.
 *
 * usage: node --import tsx scripts/quickstart-pod.ts CRI_SOCKET DOCKER_SOCKET
 * Exit code 3: no registry answers, and there is no busybox on this machine to make an image of.
 */
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import { credentials, makeClientConstructor, type Client } from "@grpc/grpc-js";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { loadProto, serviceDefinition, type ServiceName } from "../src/grpc/proto.js";

const [criSocket = "", dockerSocket = ""] = process.argv.slice(2);
const registryImage = "docker.io/library/busybox:latest";
const localImage = "localhost/dockershim-quickstart/busybox:latest";
const pullLimitMs = 20_000;
const noBusyboxExit = 3;

type Reply = Record<string, unknown>;

const proto = loadProto();
const clients = Object.fromEntries(
  (["RuntimeService", "ImageService"] as const).map((name) => {
    const Service = makeClientConstructor(serviceDefinition(proto, "v1", name), name);
    return [name, new Service(`unix:${criSocket}`, credentials.createInsecure())];
  }),
) as Record<ServiceName, Client>;

function call(service: ServiceName, method: string, request: object, limitMs = 60_000): Promise<Reply> {
  const definition = serviceDefinition(proto, "v1", service)[method];
  if (!definition) throw new Error(`no RPC ${method}`);
  return new Promise((resolve, reject) => {
    clients[service].makeUnaryRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
      { deadline: Date.now() + limitMs },
      (error, reply) => {
        if (error) reject(error);
        else resolve(reply as Reply);
      },
    );
  });
}

/** Prints the step, does it, prints what came of it and how long it took. */
async function step<T>(title: string, work: () => Promise<T>, show: (result: T) => string): Promise<T> {
  process.stdout.write(`==> ${title} ... `);
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(2)}s`;
  try {
    const result = await work();
    process.stdout.write(`${seconds()}  ${show(result)}\n`);
    return result;
  } catch (error) {
    process.stdout.write(`failed after ${seconds()}\n    ${(error as Error).message}\n`);
    throw error;
  }
}

const short = (id: unknown): string => String(id).replace("sha256:", "").slice(0, 12);
const there = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The image to run: there already, pulled, or made of this machine's own busybox. */
async function findImage(): Promise<string> {
  for (const image of [registryImage, localImage]) {
    const { image: found } = await call("ImageService", "ImageStatus", { image: { image } });
    if (found) return image;
  }
  try {
    const pull = () => call("ImageService", "PullImage", { image: { image: registryImage } }, pullLimitMs);
    await step(`PullImage ${registryImage}`, pull, ({ imageRef }) => short(imageRef));
    return registryImage;
  } catch {
    if (!(await there("/bin/busybox"))) process.exit(noBusyboxExit);
    await step(`no registry answers: make ${localImage} of /bin/busybox`, importBusybox, () => "done");
    return localImage;
  }
}

/** Imports a tree of one static program under the names that the pod uses. */
async function importBusybox(): Promise<void> {
  const tree = pack();
  tree.entry({ name: "bin/busybox", mode: 0o755 }, await readFile("/bin/busybox"));
  for (const name of ["sh", "echo", "sleep", "cat", "hostname", "uname", "ip"]) {
    tree.entry({ name: `bin/${name}`, type: "link", linkname: "bin/busybox", mode: 0o755 });
  }
  tree.finalize();
  const [repo = "", tag = ""] = localImage.split(/:(?=[^:]*$)/);
  const docker = new Docker({ socketPath: dockerSocket });
  const reply = (await docker.importImage(tree.pipe(new PassThrough()), {
    repo,
    tag,
  })) as NodeJS.ReadableStream;
  await pipeline(reply, new PassThrough().resume());
}

async function main(): Promise<void> {
  const runtime = (method: string, request: object): Promise<Reply> =>
    call("RuntimeService", method, request);
  const logDirectory = await mkdtemp(join(tmpdir(), "dockershim-quickstart-log."));
  const config = {
    metadata: { name: "hello", namespace: "quickstart", uid: `quickstart-${process.pid}`, attempt: 0 },
    hostname: "hello",
    logDirectory,
  };
  const done = () => "done";

  await step(
    "Version",
    () => runtime("Version", {}),
    (v) => `${String(v["runtimeName"])} ${String(v["runtimeVersion"])}`,
  );
  const image = await findImage();
  const { podSandboxId } = await step(
    "RunPodSandbox",
    () => runtime("RunPodSandbox", { config }),
    (r) => short(r["podSandboxId"]),
  );
  try {
    const { status } = await runtime("PodSandboxStatus", { podSandboxId });
    console.log(`    address ${String((status as { network?: { ip?: string } }).network?.ip)}`);
    const container = {
      metadata: { name: "greeter", attempt: 0 },
      image: { image },
      command: ["sh", "-c", 'echo "hello from $(hostname)"; exec sleep 3600'],
      logPath: "greeter.log",
    };
    const create = () =>
      runtime("CreateContainer", { podSandboxId, config: container, sandboxConfig: config });
    const { containerId } = await step("CreateContainer", create, (r) => short(r["containerId"]));
    await step("StartContainer", () => runtime("StartContainer", { containerId }), done);
    const exec = () => runtime("ExecSync", { containerId, cmd: ["uname", "-sr"], timeout: "10" });
    await step(
      "ExecSync uname -sr",
      exec,
      (r) => `exit ${String(r["exitCode"])}: ${(r["stdout"] as Buffer).toString().trim()}`,
    );
    await step(
      "its log",
      () => readFile(join(logDirectory, "greeter.log"), "utf8"),
      (text) => text.trim(),
    );
    await step("StopContainer", () => runtime("StopContainer", { containerId, timeout: "1" }), done);
    await step("RemoveContainer", () => runtime("RemoveContainer", { containerId }), done);
    await step("StopPodSandbox", () => runtime("StopPodSandbox", { podSandboxId }), done);
  } finally {
    await step("RemovePodSandbox", () => runtime("RemovePodSandbox", { podSandboxId }), done);
    await rm(logDirectory, { recursive: true, force: true });
  }
}

// Each step has printed its own error.
await main().catch(() => {
  process.exitCode = 1;
});
for (const client of Object.values(clients)) client.close();
