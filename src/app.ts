/** The composition root: every object of the program, on one page, and who stops before whom. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { Containers } from "./containers/containers.js";
import { killSession, signalSession } from "./containers/process-session.js";
import { imageService } from "./cri/image-service.js";
import { runtimeService } from "./cri/runtime-service.js";
import { dockerodeEngine } from "./docker/dockerode-engine.js";
import type { Engine } from "./docker/engine.js";
import { serve } from "./grpc/server.js";
import { Host } from "./host/facts.js";
import { Images } from "./images/images.js";
import { Inventory } from "./inventory/inventory.js";
import type { Log } from "./log.js";
import type { ContainerLogs } from "./logs/container-logs.js";
import { CriLogs, logReports } from "./logs/cri-logs.js";
import { dockerLogs } from "./logs/docker-logs.js";
import { LogThread } from "./logs/log-thread.js";
import { bridgeNetwork, cniNetwork } from "./network/pod-network.js";
import { Pods } from "./pods/pods.js";
import { PodDialer } from "./streaming/pod-network/dialer.js";
import { StreamingServer } from "./streaming/server.js";
import { Streaming } from "./streaming/streaming.js";

export interface App {
  close(): Promise<void>;
}

/** @param engine the real one unless a test brings its own */
export async function startApp(
  config: Config,
  log: Log,
  engine: Engine = dockerodeEngine({
    socketPath: config.dockerSocketPath,
    requestTimeout: config.runtimeRequestTimeout,
  }),
): Promise<App> {
  await mkdir(config.rootDirectory, { recursive: true, mode: 0o700 });
  // What can fail comes before what has to be ended.
  const tls = config.streaming.tls && (await readTls(config.streaming.tls));
  const clock = systemClock;
  const host = new Host(engine, log.child({ part: "host" }));
  const dialer = new PodDialer();
  const logs = makeLogs(config, host, log.child({ part: "logs" }));
  const inventory = new Inventory(engine, log.child({ part: "inventory" }), {
    lost: () => host.forget(),
    ended: (sandboxId) => void dialer.release(sandboxId),
    seen: (container) => logs.seen(container),
    gone: (containerId) => void logs.gone(containerId),
    complete: (ids) => void logs.keepOnly(ids),
  });
  const network = config.networkPlugin === "bridge" ? bridgeNetwork : cniNetwork;
  const { sandboxImage, imagePullProgressDeadline: progressDeadline } = config;
  const images = new Images({ engine, host, clock, sandboxImage, progressDeadline });
  const containers = new Containers({
    engine,
    inventory,
    images,
    host,
    logs,
    log: log.child({ part: "containers" }),
  });
  const pods = new Pods({
    engine,
    inventory,
    images,
    network,
    host,
    logs,
    sandboxImage,
    log: log.child({ part: "pods" }),
  });
  const exec = { engine, inventory, killSession, log: log.child({ part: "exec" }) };
  const { host: bindHost, port, idleTimeout, creationTimeout } = config.streaming;
  const streamLog = log.child({ part: "streaming" });
  const streamingServer = new StreamingServer({ host: bindHost, port, tls }, clock, streamLog);
  const streaming = new Streaming({
    engine,
    inventory,
    server: streamingServer,
    dialer,
    signalSession,
    log: streamLog,
    idleTimeout,
    creationTimeout,
  });
  const domain = {
    pods,
    containers,
    images,
    inventory,
    network,
    host,
    exec,
    streaming,
    clock,
    settings: config,
  };

  inventory.start();
  const services = { RuntimeService: runtimeService(domain), ImageService: imageService(images) };
  /** Newest first; each stands on the ones after it. */
  const closers = [() => inventory.close(), () => logs.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of closers) await close();
  };
  try {
    await streamingServer.start();
    closers.unshift(
      () => streamingServer.close(),
      () => dialer.close(),
    );
    const server = await serve(config.socketPath, services, log.child({ part: "rpc" }));
    closers.unshift(() => server.close());
  } catch (error) {
    await closeAll();
    throw error;
  }
  log.info("serving", {
    socket: config.socketPath,
    docker: config.dockerSocketPath,
    network: config.networkPlugin,
  });
  return { close: closeAll };
}

function makeLogs(config: Config, host: Host, log: Log): ContainerLogs {
  if (config.containerLogFormat === "docker") return dockerLogs;
  return new CriLogs({
    thread: new LogThread({ onReport: logReports(log) }),
    host,
    directory: join(config.rootDirectory, "logs"),
    log,
  });
}

async function readTls({ certFile, keyFile }: { certFile: string; keyFile: string }) {
  const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")]);
  return { cert, key };
}
