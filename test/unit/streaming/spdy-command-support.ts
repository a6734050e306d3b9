/** Clients of a remote command over SPDY, on real connections. */
import type { TestContext } from "node:test";
import type { CommandWants } from "../../../src/streaming/command.js";
import { toStatusForms } from "../../../src/streaming/result.js";
import { acceptSpdyCommand, type SpdyCommandOptions } from "../../../src/streaming/spdy-command.js";
import { everything, terminal } from "./fake-client.js";
import { dialSpdy, type ClientStream, type SpdyClient } from "../../support/spdy-client.js";
import { serve } from "./websocket/support.js";

export const v4 = "v4.channel.k8s.io";
export const v3 = "v3.channel.k8s.io";
export const v2 = "v2.channel.k8s.io";
export const v1 = "channel.k8s.io";
export { everything, terminal };

type Options = Partial<SpdyCommandOptions>;

export const commandServer = (t: TestContext, options: Options = {}) =>
  serve(t, (request, socket, head) =>
    acceptSpdyCommand(request, socket, head, {
      wants: everything,
      statusOf: (result) => toStatusForms(result, "executing command in container"),
      idleTimeout: 0,
      creationTimeout: 30_000,
      ...options,
    }),
  );

/** A client whose handshake was accepted, and what will become of it on the server's side. */
export async function dialCommand(t: TestContext, protocols: string[], options: Options = {}) {
  const { port, accepted } = await commandServer(t, options);
  const { client, headers } = await dialSpdy(`http://127.0.0.1:${port}/`, protocols);
  if (!client) throw new Error("the handshake was refused");
  t.after(() => client.connection.destroy());
  const command = accepted.then((server) => server.client);
  return { client, command, protocol: headers["x-stream-protocol-version"] };
}

export type Streams = Record<string, ClientStream>;

/** Opens streams one after another, each when the one before was replied to, as client-go does. */
export async function openStreams(client: SpdyClient, ...types: string[]): Promise<Streams> {
  const streams: Streams = {};
  for (const streamtype of types) streams[streamtype] = await client.open({ streamtype });
  return streams;
}

/** A client with all its streams open. */
export async function openCommand(
  t: TestContext,
  protocol: string,
  options: Options & { wants: CommandWants } = { wants: everything },
) {
  const { client, command: accepted } = await dialCommand(t, [protocol], options);
  const { stdin, stdout, stderr, tty } = options.wants;
  const resize = tty && (protocol === v4 || protocol === v3);
  const wanted = Object.entries({ error: true, stdin, stdout, stderr, resize });
  const types = wanted.flatMap(([type, open]) => (open ? [type] : []));
  const streams = await openStreams(client, ...types);
  const command = await accepted;
  if (!command) throw new Error("the client's streams were not accepted");
  return { client, command, streams };
}

/** What is on a stream, to its end, and how it ended. */
export async function rest(stream: ClientStream | undefined): Promise<string> {
  if (!stream) throw new Error("there is no such stream");
  return `${(await stream.collect()).toString()}|${await stream.ended}`;
}
