/** A Docker Engine's socket with a witness: it passes everything on, and notes the requests. */
import { once } from "node:events";
import { createServer, connect, type Socket } from "node:net";

export interface CountingProxy {
  /** "GET /containers/json" and the like since the last time, in order. Ids are short for reading. */
  taken(): string[];
  close(): Promise<void>;
}

/** A client sends a request's head in one piece, and begins none before the reply to the last is there. */
const head = /^(GET|HEAD|POST|PUT|DELETE) (?:\/v[\d.]+)?([^ ?]*)\S* HTTP\/1\.1\r\n/;

export async function countingProxy(listenOn: string, dockerSocketPath: string): Promise<CountingProxy> {
  let requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: dockerSocketPath, allowHalfOpen: true });
    client.on("data", (chunk: Buffer) => {
      const [, method, path] = head.exec(chunk.toString("latin1")) ?? [];
      if (method) requests.push(`${method} ${path?.replace(/(sha256(:|%3A))?[0-9a-f]{64}/g, "ID")}`);
    });
    client.pipe(engine).pipe(client);
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => sockets.delete(one) && other.destroy());
    }
  });
  server.listen(listenOn);
  await once(server, "listening");
  return {
    taken: () => {
      const all = requests;
      requests = [];
      return all;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
