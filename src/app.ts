/** The composition root: every object of the program, on one page, and who stops before whom. */
import { mkdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { Containers } from "./containers/containers.js";
import { ExtraResourcesStore } from "./containers/extra-resources.js";
import { Kernel } from "./containers/kernel.js";
import { killSession, signalSession } from "./containers/process-session.js";
import { Reports } from "./cri/reports.js";
import { imageService } from "./cri/image-service.js";
import { runtimeService } from "./cri/runtime-service.js";
import { dockerodeEngine } from "./docker/dockerode-engine.js";
import type { Engine } from "./docker/engine.js";
import { ContainerEvents } from "./events/container-events.js";
import { serve } from "./grpc/server.js";
import { Host } from "./host/facts.js";
import { AccountFiles } from "./images/account-files.js";
import { Images } from "./images/images.js";
import { Inventory } from "./inventory/inventory.js";
import type { Log } from "./log.js";
import type { ContainerLogs } from "./logs/container-logs.js";
import { CriLogs, logReports } from "./logs/cri-logs.js";
import { dockerLogs } from "./logs/docker-logs.js";
import { LogThread } from "./logs/log-thread.js";
import { Metrics } from "./metrics/collector.js";
import { PreparedMounts } from "./mounts/prepared-mounts.js";
import { BridgeNetwork } from "./network/bridge/bridge-network.js";
import { Chain } from "./network/cni/chain.js";
import { CniNetwork } from "./network/cni/cni-network.js";
import { ConfDirectory } from "./network/cni/conf-directory.js";
import { NetworkNamespaces } from "./network/cni/netns.js";
import { Plugins, type PluginRun } from "./network/cni/plugins.js";
import { PodCidrs } from "./network/cni/pod-cidrs.js";
import { AttachmentRecords } from "./network/cni/records.js";
import { PodNetworks } from "./network/pod-networks.js";
import { InventoryHealth } from "./observability/inventory-health.js";
import { startObservability } from "./observability/observability.js";
import type { Observer } from "./observer.js";
import { Pods } from "./pods/pods.js";
import { Stats } from "./stats/collector.js";
import { Counting } from "./stats/counting.js";
import { Filesystems } from "./stats/filesystems.js";
import { ImageLayers } from "./stats/image-layers.js";
import { KernelFiles } from "./stats/kernel-files.js";
import { Places } from "./stats/places.js";
import { WritableLayers } from "./stats/writable-layer.js";
import { PodDialer } from "./streaming/pod-network/dialer.js";
import { StreamingServer } from "./streaming/server.js";
import { Streaming } from "./streaming/streaming.js";
import { programVersion } from "./version.js";

export interface App {
  close(): Promise<void>;
}

/** @param docker the real one unless a test brings its own */
export async function startApp(
  config: Config,
  log: Log,
  docker: Engine = dockerodeEngine({
    socketPath: config.dockerSocketPath,
    requestTimeout: config.runtimeRequestTimeout,
  }),
): Promise<App> {
  await mkdir(config.rootDirectory, { recursive: true, mode: 0o700 });
  // What can fail comes before what has to be ended.
  const tls = config.streaming.tls && (await readTls(config.streaming.tls));
  const clock = systemClock;
  const health = new InventoryHealth(clock);
  const observability = await startObservability({
    metrics: config.metrics,
    tracing: config.tracing,
    version: programVersion(),
    health,
    entries: (kind) => inventory.count(kind),
    logProgress: () => logs.progress(),
    log: log.child({ part: "observability" }),
  });
  const engine = observability.engine(docker);
  const host = new Host(engine, log.child({ part: "host" }));
  const dialer = new PodDialer();
  const logs = makeLogs(config, host, log.child({ part: "logs" }));
  const extras = new ExtraResourcesStore(
    join(config.rootDirectory, "resources"),
    log.child({ part: "containers" }),
  );
  await extras.load();
  const network = await makeNetworks(
    config,
    engine,
    host,
    observability.plugins,
    log.child({ part: "network" }),
  );
  const accounts = new AccountFiles({
    engine,
    owner: config.rootDirectory,
    log: log.child({ part: "images" }),
  });
  const files = new KernelFiles();
  const places = new Places(files);
  const inventory = new Inventory(engine, log.child({ part: "inventory" }), {
    lost: (reason) => {
      health.lost(reason.message);
      host.forget();
      images.changed();
      network.changed();
    },
    imagesChanged: () => images.changed(),
    networksChanged: () => network.changed(),
    changed: (container, change) => events.changed(container, change),
    ended: (sandboxId) => void dialer.release(sandboxId),
    seen: (container) => logs.seen(container),
    gone: (id, kind) => {
      stats.forget(id);
      places.forget(id);
      if (kind === "podsandbox") void network.gone(id);
      else void Promise.all([logs.gone(id), extras.gone(id)]);
    },
    complete: (ids) => {
      health.completed();
      // What was looked at while no event could tell of a change may have changed since.
      images.changed();
      network.changed();
      void logs.keepOnly(ids);
      void network.keepOnly(ids);
      void extras.keepOnly(ids);
      void accounts.removeLeftovers();
      stats.keepOnly(ids);
      places.keepOnly(ids);
    },
  });
  const layers = new WritableLayers({ inventory, host, clock });
  const stats = new Stats({ inventory, clock, files, places, layers });
  const metrics = new Metrics({ inventory, host, clock, files, places, layers });
  const { sandboxImage, runtimeHandlers, imagePullProgressDeadline: progressDeadline } = config;
  const images = new Images({ engine, clock, sandboxImage, progressDeadline });
  const imageLayers = new ImageLayers({ images });
  const filesystems = new Filesystems({ host, images, imageLayers, inventory, layers });
  const counters = [layers, imageLayers];
  const counting = new Counting({ counters, clock, log: log.child({ part: "stats" }) });
  const mounts = new PreparedMounts({
    directory: join(await realpath(config.rootDirectory), "mounts"),
    layers: (imageId) => images.layers(imageId),
    log: log.child({ part: "mounts" }),
  });
  await mounts.clear();
  const containers = new Containers({
    engine,
    inventory,
    images,
    accounts,
    host,
    logs,
    extras,
    kernel: new Kernel(),
    mounts,
    log: log.child({ part: "containers" }),
  });
  const pods = new Pods({
    engine,
    inventory,
    images,
    accounts,
    network,
    host,
    logs,
    sandboxImage,
    runtimeHandlers,
    log: log.child({ part: "pods" }),
  });
  const exec = { engine, inventory, killSession, log: log.child({ part: "exec" }) };
  const { host: bindHost, port, idleTimeout, creationTimeout } = config.streaming;
  const streamLog = log.child({ part: "streaming" });
  const streamingServer = new StreamingServer(
    { host: bindHost, port, tls, observer: observability.sessions },
    clock,
    streamLog,
  );
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
  const reports = new Reports({ inventory, images, extras, network, host });
  const events = new ContainerEvents(reports);
  const domain = {
    pods,
    containers,
    reports,
    events,
    inventory,
    network,
    host,
    runtimeHandlers,
    exec,
    streaming,
    stats,
    metrics,
    clock,
    settings: config,
  };

  inventory.start();
  counting.start();
  const services = {
    RuntimeService: runtimeService(domain),
    ImageService: imageService(images, filesystems),
  };
  /** Newest first; each stands on the ones after it. */
  const closers = [
    () => counting.close(),
    () => inventory.close(),
    () => network.close(),
    () => logs.close(),
    () => observability.close(),
  ];
  const closeAll = async (): Promise<void> => {
    for (const close of closers) await close();
  };
  try {
    await observability.serve(engine);
    await streamingServer.start();
    closers.unshift(
      () => streamingServer.close(),
      () => dialer.close(),
    );
    const server = await serve(config.socketPath, services, log.child({ part: "rpc" }), observability);
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

async function makeNetworks(
  config: Config,
  engine: Engine,
  host: Host,
  observer: Observer<PluginRun>,
  log: Log,
): Promise<PodNetworks> {
  const { cni, podCidrs: given, bridgeMtu: mtu } = config;
  const plugins = new Plugins({ directories: cni.binDirectories, timeoutMs: cni.timeout, observer, log });
  const chain = new Chain(plugins);
  const negotiate = chain.negotiate.bind(chain);
  const confs = new ConfDirectory({ directory: cni.confDirectory, negotiate, log });
  const records = new AttachmentRecords(cni.cacheDirectory, log);
  const podCidrs = new PodCidrs(join(config.rootDirectory, "pod-cidrs.json"), given, log);
  await Promise.all([records.load(), podCidrs.load()]);
  const networks = {
    cni: new CniNetwork({
      engine,
      confs,
      plugins,
      chain,
      records,
      namespaces: new NetworkNamespaces(),
      podCidrs,
      engineId: async () => (await host.facts()).engineId,
      collectsGarbage: config.networkPlugin === "cni",
      log,
    }),
    bridge: new BridgeNetwork({ engine, podCidrs: given, mtu, log }),
  };
  return new PodNetworks(networks, config.networkPlugin, log);
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
