/** gRPC's reflection service, which is made when somebody asks: hardly anybody does, and it takes a third of a second. */
import type { handleBidiStreamingCall, Server } from "@grpc/grpc-js";
import type { ServiceDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { loadProtoForReflection } from "./proto.js";

type Handlers = Record<string, handleBidiStreamingCall<object, object>>;

/** What the service would add to a server: the versions of itself that it knows. */
function partsOf(service: ReflectionService): [ServiceDefinition, Handlers][] {
  const parts: [ServiceDefinition, Handlers][] = [];
  const server = { addService: (...part: [ServiceDefinition, Handlers]) => void parts.push(part) };
  service.addToServer(server);
  return parts;
}

export function addReflection(server: Pick<Server, "addService">): void {
  let made: [ServiceDefinition, Handlers][] | undefined;
  for (const [index, [definition, handlers]] of partsOf(new ReflectionService({})).entries()) {
    const later = (name: string): Handlers[string] => {
      return (call) => {
        made ??= partsOf(new ReflectionService(loadProtoForReflection()));
        made[index]?.[1][name]?.(call);
      };
    };
    server.addService(
      definition,
      Object.fromEntries(Object.keys(handlers).map((name) => [name, later(name)])),
    );
  }
}
