/** Pods whose ports are served by functions, and clients that forward to them. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { CriError } from "../../../src/errors.js";
import { serveForward, type Dial, type ForwardOptions } from "../../../src/streaming/port-forward.js";
import type { Upgrade } from "../../../src/streaming/server.js";
import { dialSpdy, type ClientStream, type SpdyClient } from "../../support/spdy-client.js";
import { serve } from "./websocket/support.js";

export type Servers = Record<number, (socket: Socket) => void>;

export interface Pod {
  dial: Dial;
  /** The ports that were dialled, and our ends of the connections. */
  dialled: { port: number; socket: Socket; signal: AbortSignal }[];
}

/** Real connections, as the pod's network gives them: half-open, and with an error that crashes nobody. */
export async function startPod(t: TestContext, servers: Servers): Promise<Pod> {
  const ports = new Map<number, number>();
  for (const [port, answer] of Object.entries(servers)) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      t.after(() => socket.destroy());
      answer(socket.on("error", () => undefined));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    ports.set(Number(port), (server.address() as AddressInfo).port);
  }
  const dialled: Pod["dialled"] = [];
  const dial: Dial = async (port, signal) => {
    const real = ports.get(port);
    if (real === undefined)
      throw new CriError("failedPrecondition", `connection refused on localhost:${port}`);
    const socket = connect({ port: real, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    dialled.push({ port, socket, signal });
    await once(socket, "connect");
    return socket;
  };
  return { dial, dialled };
}

/** @returns the port to come to, and the end of the first session */
export async function startForward(
  t: TestContext,
  transport: Upgrade["transport"],
  options: Partial<ForwardOptions> & Pick<ForwardOptions, "dial">,
): Promise<{ url: string; over: Promise<void> }> {
  const { port, accepted } = await serve(t, (request, socket, head) => {
    const session = serveForward(
      { request, socket, head, transport },
      { ports: [], idleTimeout: 0, creationTimeout: 30_000, ...options },
    );
    return Promise.resolve({ session });
  });
  return { url: `http://127.0.0.1:${port}/`, over: accepted.then(({ client }) => client.session) };
}

/** A SPDY client, its handshake done. */
export async function dialForward(
  t: TestContext,
  options: Partial<ForwardOptions> & Pick<ForwardOptions, "dial">,
): Promise<{ client: SpdyClient; over: Promise<void> }> {
  const { url, over } = await startForward(t, "spdy", options);
  const { client } = await dialSpdy(url, ["portforward.k8s.io"]);
  if (!client) throw new Error("the handshake was refused");
  t.after(() => client.connection.destroy());
  return { client, over };
}

/** Opens a connection's two streams as client-go does, which has nothing to say on the first. */
export async function openPair(
  client: SpdyClient,
  port: number | string,
  requestid: number | string,
): Promise<{ error: ClientStream; data: ClientStream }> {
  const headers = { port: String(port), requestid: String(requestid) };
  const error = await client.open({ ...headers, streamtype: "error" });
  await error.fin();
  const data = await client.open({ ...headers, streamtype: "data" });
  return { error, data };
}

/** What came on a connection's two streams, and how and in which order they ended. */
export async function outcome({ error, data }: { error: ClientStream; data: ClientStream }) {
  const ends: string[] = [];
  void error.ended.then((end) => ends.push(`error ${end}`));
  void data.ended.then((end) => ends.push(`data ${end}`));
  const [failure, bytes] = await Promise.all([error.collect(), data.collect()]);
  return { failure: failure.toString(), data: bytes.toString(), ends };
}

export const echo = (socket: Socket): void => void socket.pipe(socket);
