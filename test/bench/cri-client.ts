/** A plain CRI client: the same for every server that is measured. */
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { loadProto, serviceDefinition, type ServiceName } from "../../src/grpc/proto.js";
import type { Reply } from "../support/real-node.js";

const proto = loadProto();
const services = {
  RuntimeService: serviceDefinition(proto, "v1", "RuntimeService"),
  ImageService: serviceDefinition(proto, "v1", "ImageService"),
};

/** One server, over one connection. */
export interface CriClient {
  /** The reply as bytes: what a client makes of them is not the server's time. */
  send(method: string, request: object): Promise<Buffer>;
  /** The reply with the names of proto/, in camelCase. */
  ask(method: string, request: object): Promise<Reply>;
  close(): void;
}

/** A status other than OK rejects with the ServiceError of grpc-js. */
export function criClient(socketPath: string): CriClient {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  const send = (method: string, request: object): Promise<Buffer> => {
    const { path, requestSerialize } = definitionOf(method);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        (bytes: Buffer) => bytes,
        request,
        (error, reply) => {
          if (reply) resolve(reply);
          else reject(error ?? new Error(`${method}: no reply`));
        },
      );
    });
  };
  return {
    send,
    ask: async (method, request) => definitionOf(method).responseDeserialize(await send(method, request)),
    close: () => client.close(),
  };
}

/** What a server says when it lacks something: "12 UNIMPLEMENTED: ...", on one line. */
export const refusal = (error: unknown): string =>
  String((error as ServiceError).message).split("\n")[0] ?? "";

function definitionOf(method: string) {
  for (const name of Object.keys(services) as ServiceName[]) {
    const definition = services[name][method];
    if (definition) return definition;
  }
  throw new Error(`CRI has no ${method}`);
}
