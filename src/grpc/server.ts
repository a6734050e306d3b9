import type { Server as NetServer } from "node:net";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import type { ImageService } from "../cri/image-service.js";
import type { RuntimeService } from "../cri/runtime-service.js";
import type { Log } from "../log.js";
import { notImplemented, unary, type Operation } from "./adapt.js";
import { admitConnection } from "./authority/admit.js";
import { handleAsCaller, observeOperation, type RpcObservation } from "./observe.js";
import {
  apiVersions,
  loadProto,
  loadProtoForReflection,
  serviceDefinition,
  serviceNames,
  type ApiVersion,
  type ServiceName,
} from "./proto.js";
import { listenUnix } from "./socket.js";

export type Services = { RuntimeService: RuntimeService; ImageService: ImageService };

/** The kubelet's own limit for what it receives. */
const maxMessageBytes = 16 * 1024 * 1024;
/** How long calls under way may take once we were told to stop. */
const drainMs = 10_000;

export interface RunningServer {
  /** Takes no new calls, lets those under way end (10 s at most), and removes the socket. */
  close(): Promise<void>;
}

/** Serves both versions of both services, reflection and health on one unix socket. */
export async function serve(
  path: string,
  services: Services,
  log: Log,
  observation: RpcObservation,
): Promise<RunningServer> {
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
  });
  const proto = loadProto();
  const health = new HealthImplementation({ "": "SERVING" });
  for (const version of apiVersions) {
    for (const name of serviceNames) {
      const definition = serviceDefinition(proto, version, name);
      const methods = Object.keys(definition);
      server.addService(definition, implementation(methods, services, name, version, log, observation));
      health.setStatus(`runtime.${version}.${name}`, "SERVING");
    }
  }
  health.addToServer(server);
  new ReflectionService(loadProtoForReflection()).addToServer(server);

  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const admitting = new Set<() => void>();
  const listener = await listenUnix(path, (socket) => {
    const cancel = admitConnection(socket, (connection) => injector.injectConnection(connection));
    admitting.add(cancel);
    socket.once("close", () => admitting.delete(cancel));
  });
  return {
    close: async () => {
      const closed = closeListener(listener);
      for (const cancel of admitting) cancel();
      injector.drain(drainMs);
      await shutdown(server);
      injector.destroy();
      await closed;
    },
  };
}

function implementation(
  methods: string[],
  services: Services,
  name: ServiceName,
  version: ApiVersion,
  log: Log,
  { rpcs, asCaller }: RpcObservation,
): UntypedServiceImplementation {
  const table = services[name] as Record<string, Operation | undefined>;
  return Object.fromEntries(
    methods.map((method) => {
      const operation = table[method];
      if (!operation) return [method, notImplemented(method, log)];
      const about = { service: name, method, apiVersion: version };
      const handler = unary(method, version, observeOperation(rpcs, about, operation), log);
      return [method, asCaller ? handleAsCaller(asCaller, handler) : handler];
    }),
  ) as UntypedServiceImplementation;
}

const closeListener = (listener: NetServer): Promise<void> =>
  new Promise((resolve) => {
    listener.close(() => resolve());
  });

async function shutdown(server: Server): Promise<void> {
  const limit = setTimeout(() => server.forceShutdown(), drainMs);
  await new Promise<void>((resolve) => {
    server.tryShutdown(() => resolve());
  });
  clearTimeout(limit);
}
