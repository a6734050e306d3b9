/** Clients of port-forward over WebSocket: a SPDY session in a tunnel, or channels for ports known before. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Channel } from "./channel.js";
import { type ConnectionTimes, WebSocketConnection } from "./connection.js";
import { Leaving } from "./leaving.js";
import { channelLimit, type Codec, decodeMessage, encodeMessage } from "./messages.js";
import { type ForwardProtocol, forwardProtocols } from "./protocols.js";
import { Tunnel } from "./tunnel.js";
import { type Upgraded, upgrade } from "./upgrade.js";

export interface WebSocketForwardOptions extends ConnectionTimes {
  /** For clients without a tunnel: the ports that the RPC named. */
  ports: readonly number[];
}

export type WebSocketForwardClient = ForwardTunnel | ForwardChannels;

export interface ForwardTunnel {
  kind: "tunnel";
  /** The bytes of a SPDY session, which is who knows when it is idle: there is no idle timeout here. */
  connection: Duplex;
}

export interface ForwardChannels {
  kind: "channels";
  channels: ForwardChannel[];
  /** Fires when the client has gone before `done`; the data streams are destroyed then. */
  gone: AbortSignal;
  /** Ends all ports: delivers what was written and closes. Never rejects; call it once, also for no ports. */
  done(): Promise<void>;
}

export interface ForwardChannel {
  port: number;
  /** Its input ends only with the client; this protocol has no end of a single connection. */
  data: Duplex;
  /** Tells the client why the port failed. */
  fail(message: string): void;
}

/** Answers the handshake; undefined when it was refused. */
export function acceptPortForward(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: WebSocketForwardOptions,
): Promise<WebSocketForwardClient | undefined> {
  return Promise.resolve(accept(request, socket, head, options));
}

function accept(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: WebSocketForwardOptions,
): WebSocketForwardClient | undefined {
  // A message has one byte, or character, for its channel: with very many ports a protocol cannot be used.
  const fits = forwardProtocols.filter(
    (protocol) => protocol.kind === "tunnel" || options.ports.length * 2 <= channelLimit[protocol.codec],
  );
  const upgraded = upgrade(request, socket, head, fits);
  if (!upgraded) return undefined;
  const { protocol } = upgraded;
  return protocol.kind === "tunnel"
    ? openTunnel(upgraded, options)
    : openChannels(upgraded, protocol.codec, options);
}

function openTunnel({ webSocket, socket }: Upgraded<ForwardProtocol>, times: ConnectionTimes): ForwardTunnel {
  const connection = new WebSocketConnection(
    webSocket,
    socket,
    { ...times, idleTimeout: 0 },
    {
      message: (data, isBinary) => {
        if (isBinary) tunnel.receive(data);
        else connection.fail(1003, "a tunnel takes binary messages only");
      },
      ended: (error) => tunnel.clientEnded(error),
    },
  );
  const tunnel = new Tunnel(connection);
  return { kind: "tunnel", connection: tunnel };
}

function openChannels(
  { webSocket, socket }: Upgraded<ForwardProtocol>,
  codec: Codec,
  options: WebSocketForwardOptions,
): ForwardChannels {
  const connection = new WebSocketConnection(webSocket, socket, options, {
    message: (data) => {
      if (data.length === 0) return;
      const message = decodeMessage(codec, data);
      if (!message) connection.fail(1007, "a message is not base64");
      // Odd ones are the error channels, on which clients have nothing to say.
      else if (message.channel % 2 === 0) streams[message.channel / 2]?.receive(message.payload);
    },
    ended: (error) => leaving.begin(error),
  });
  const send = (channel: number, payload: Buffer) => connection.send(encodeMessage(codec, channel, payload));
  const ports = options.ports.map((port, index) => ({
    port,
    index,
    data: new Channel(connection, codec, 2 * index),
  }));
  const streams = ports.map(({ data }) => data);
  const leaving = new Leaving(streams, streams, options.closeTimeout);
  const channels = ports.map(({ port, index, data }): ForwardChannel => {
    // Which port a pair of channels is for; little-endian, alone in all of these protocols.
    const announcement = Buffer.from([port & 0xff, port >> 8]);
    send(2 * index, announcement);
    send(2 * index + 1, announcement);
    const fail = (message: string) => send(2 * index + 1, Buffer.from(message));
    return { port, data, fail };
  });
  const done = async (): Promise<void> => {
    leaving.callOff();
    connection.beginFinish();
    await Promise.all(streams.map((stream) => stream.deliver()));
    await connection.finish();
  };
  return { kind: "channels", channels, gone: leaving.gone, done };
}
