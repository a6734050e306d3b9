import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { SpdySession, type SpdySessionOptions } from "../../../../src/streaming/spdy/session.js";
import type { SpdyStream } from "../../../../src/streaming/spdy/stream.js";
import { SpdyClient } from "../../../support/spdy-client.js";

/** Both ends of a real connection, over a unix socket that goes with the test. */
export async function socketPair(t: TestContext): Promise<{ server: Socket; client: Socket }> {
  const folder = mkdtempSync(join(tmpdir(), "spdy-"));
  // Half-open as an upgraded HTTP connection is.
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(join(folder, "s"));
  await once(listener, "listening");
  const client = connect({ path: join(folder, "s"), allowHalfOpen: true });
  const [server] = (await once(listener, "connection")) as [Socket];
  t.after(() => {
    client.destroy();
    server.destroy();
    listener.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { server, client };
}

/** Waits until something holds; the test's own time limit ends it otherwise. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(5);
}

/** All that a stream still gives, without ending its other direction as `for await` and `text()` do. */
export async function readAll(stream: SpdyStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  const pieces = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const data of pieces) parts.push(data);
  return Buffer.concat(parts);
}

export interface TestSession {
  session: SpdySession;
  client: SpdyClient;
  server: Socket;
  /** The streams that were accepted, in order. */
  streams: SpdyStream[];
}

/** A session and a client of it; it accepts every stream unless told otherwise. */
export async function startSession(
  t: TestContext,
  options: Partial<SpdySessionOptions> = {},
): Promise<TestSession> {
  const { server, client } = await socketPair(t);
  const streams: SpdyStream[] = [];
  const session = new SpdySession(server, {
    onStream: (offer) => streams.push(offer.accept()),
    ...options,
  });
  return { session, client: new SpdyClient(client), server, streams };
}
