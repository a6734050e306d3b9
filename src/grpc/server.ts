import type { Server as NetServer } from "node:net";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { ImageService } from "../cri/image-service.js";
import type { RuntimeService } from "../cri/runtime-service.js";
import { CriError } from "../errors.js";
import type { Log } from "../log.js";
import { notImplemented, serverStream, unary, type Operation, type StreamOperation } from "./adapt.js";
import { admitConnection } from "./authority/admit.js";
import {
  handleAsCaller,
  observeOperation,
  observeStream,
  type RpcAbout,
  type RpcObservation,
} from "./observe.js";
import { apiVersions, loadProto, serviceDefinition, serviceNames } from "./proto.js";
import { addReflection } from "./reflection.js";
import { listenUnix } from "./socket.js";

export type Services = { RuntimeService: RuntimeService; ImageService: ImageService };

/** The kubelet's own limit for what it receives. */
const maxMessageBytes = 16 * 1024 * 1024;
/** How long calls under way may take once we were told to stop. */
const drainMs = 10_000;

export interface RunningServer {
  /** Takes no new calls, ends streams, lets other calls under way end (10 s at most), and removes the socket. */
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
    // Its books are kept for every call, and nobody reads them here.
    "grpc.enable_channelz": 0,
  });
  const proto = loadProto();
  const health = new HealthImplementation({ "": "SERVING" });
  const streams = new Set<AbortController>();
  const { rpcs, asCaller } = observation;
  const handler = (about: RpcAbout, operation: Operation & StreamOperation, isStream: boolean) => {
    const { method, apiVersion } = about;
    const handle = isStream
      ? serverStream(method, apiVersion, observeStream(rpcs, about, operation), log, streams)
      : unary(method, apiVersion, observeOperation(rpcs, about, operation), log);
    return asCaller ? handleAsCaller(asCaller, handle) : handle;
  };
  for (const version of apiVersions) {
    for (const name of serviceNames) {
      const definition = serviceDefinition(proto, version, name);
      const table = services[name] as unknown as Record<string, Operation & StreamOperation>;
      const handlers = Object.entries(definition).map(([method, { responseStream }]) => {
        const operation = table[method];
        const about = { service: name, method, apiVersion: version };
        return [method, operation ? handler(about, operation, responseStream) : notImplemented(method, log)];
      });
      server.addService(definition, Object.fromEntries(handlers) as UntypedServiceImplementation);
      health.setStatus(`runtime.${version}.${name}`, "SERVING");
    }
  }
  health.addToServer(server);
  addReflection(server);

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
      for (const stream of streams) stream.abort(new CriError("unavailable", "the server is stopping"));
      injector.drain(drainMs);
      await shutdown(server);
      injector.destroy();
      await closed;
    },
  };
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
