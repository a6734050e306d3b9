/** The client of a remote command over WebSocket: channels as in k8s.io/apiserver's wsstream package. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TerminalSize } from "../../docker/engine.js";
import type { CommandClient, CommandResult, CommandWants } from "../command.js";
import { SizeReports } from "../resize.js";
import type { StatusForms } from "../result.js";
import { Channel } from "./channel.js";
import { type ConnectionTimes, WebSocketConnection } from "./connection.js";
import { Leaving } from "./leaving.js";
import { closedChannel, decodeMessage, encodeMessage } from "./messages.js";
import { type CommandProtocol, commandProtocols } from "./protocols.js";
import { type Upgraded, upgrade } from "./upgrade.js";

export interface WebSocketCommandOptions extends ConnectionTimes {
  wants: CommandWants;
  statusOf: (result: CommandResult) => StatusForms;
}

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 };

/** Answers the handshake; undefined when it was refused. */
export function acceptCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: WebSocketCommandOptions,
): Promise<CommandClient | undefined> {
  const upgraded = upgrade(request, socket, head, commandProtocols);
  return Promise.resolve(upgraded && new WebSocketCommand(upgraded, options));
}

class WebSocketCommand implements CommandClient {
  readonly stdin: Channel | undefined;
  readonly stdout: Channel | undefined;
  readonly stderr: Channel | undefined;
  readonly gone: AbortSignal;
  readonly #connection: WebSocketConnection;
  readonly #protocol: CommandProtocol;
  readonly #sizes = new SizeReports();
  readonly #leaving: Leaving;

  constructor(
    { webSocket, socket, protocol }: Upgraded<CommandProtocol>,
    private readonly options: WebSocketCommandOptions,
  ) {
    this.#protocol = protocol;
    const connection = new WebSocketConnection(webSocket, socket, options, {
      message: (data) => this.#receive(data),
      ended: (error) => this.#leaving.begin(error),
    });
    this.#connection = connection;
    const { wants } = options;
    const open = (name: "stdin" | "stdout" | "stderr", use: "input" | "output"): Channel | undefined =>
      wants[name] ? new Channel(connection, protocol.codec, channels[name], use) : undefined;
    this.stdin = open("stdin", "input");
    this.stdout = open("stdout", "output");
    this.stderr = open("stderr", "output");
    this.#leaving = new Leaving([this.stdin], [this.stdout, this.stderr], options.closeTimeout);
    this.gone = this.#leaving.gone;
    // The first word is an empty one, by which clients know that all is up.
    const first = wants.stdout ? channels.stdout : wants.stderr ? channels.stderr : channels.error;
    connection.send(encodeMessage(protocol.codec, first, Buffer.alloc(0)));
  }

  onResize(listener: (size: TerminalSize) => void): void {
    this.#sizes.listen(listener);
  }

  async finish(result: CommandResult): Promise<void> {
    this.#leaving.callOff();
    // Input is read on and dropped: behind it may come pings, and at last the client's Close.
    this.stdin?.destroy();
    this.#connection.beginFinish();
    await Promise.all([this.stdout?.deliver(), this.stderr?.deliver()]);
    const { json, text } = this.options.statusOf(result);
    const status = this.#protocol.status === "json" ? json : text;
    if (status !== undefined) {
      this.#connection.send(encodeMessage(this.#protocol.codec, channels.error, Buffer.from(status)));
    }
    await this.#connection.finish();
  }

  #receive(data: Buffer): void {
    if (data.length === 0) return;
    const message = decodeMessage(this.#protocol.codec, data);
    if (!message) {
      this.#connection.fail(1007, "a message is not base64");
      return;
    }
    const closed = this.#protocol.closesChannels ? closedChannel(message) : undefined;
    if (closed === "malformed") this.#connection.fail(1002, "a close signal must name one of the channels");
    else if (closed === channels.stdin) this.stdin?.endInput();
    else if (message.channel === channels.stdin) this.stdin?.receive(message.payload);
    else if (message.channel === channels.resize) this.#sizes.push(message.payload);
  }
}
