/** The client of a remote command over SPDY: one stream for each of its channels. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TerminalSize } from "../docker/engine.js";
import type { CommandClient, CommandResult, CommandWants } from "./command.js";
import { acceptSpdy } from "./handshake.js";
import { SizeReports } from "./resize.js";
import type { StatusForms } from "./result.js";
import { SpdySession, type StreamOffer } from "./spdy/session.js";
import type { SpdyStream } from "./spdy/stream.js";

export interface SpdyCommandOptions {
  wants: CommandWants;
  statusOf: (result: CommandResult) => StatusForms;
  /** Milliseconds; 0 for never. */
  idleTimeout: number;
  /** Milliseconds from the handshake in which the client must have opened its streams. */
  creationTimeout: number;
}

/** By version, the newest first. v5 is v4 on SPDY, and clients that have it offer v4 as well. */
const protocols = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/** Answers the handshake and waits for the client's streams; undefined when either came to nothing. */
export async function acceptSpdyCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { wants, statusOf, idleTimeout, creationTimeout }: SpdyCommandOptions,
): Promise<CommandClient | undefined> {
  const protocol = acceptSpdy(request, socket, protocols);
  if (protocol === undefined) return undefined;
  const version = protocols.length - protocols.indexOf(protocol);

  const channels = new Channels(expectedChannels(wants, version));
  const session = new SpdySession(socket, { head, idleTimeout, onStream: (offer) => channels.offer(offer) });
  const report = (result: CommandResult): void => {
    const { json, text } = statusOf(result);
    channels.get("error")?.end(version >= 4 ? json : text);
  };

  const timer = setTimeout(() => channels.fail(), creationTimeout);
  const opened = await Promise.race([channels.complete, session.closed.then(() => false)]);
  clearTimeout(timer);
  if (!opened) {
    const message = `the client did not open its streams in time: ${channels.missing().join(", ")} missing`;
    report({ kind: "failed", message });
    // Without an error stream there is nothing to wait for until the client has read it.
    await (channels.get("error") ? session.finish() : session.abort(new Error(message)));
    return undefined;
  }
  // Version 1 says nothing on these, and its clients wait for neither.
  if (version === 1) {
    channels.get("error")?.reset();
    channels.get("stdin")?.end();
  }
  return new SpdyCommand(session, channels, report);
}

function expectedChannels({ stdin, stdout, stderr, tty }: CommandWants, version: number): string[] {
  const all = { error: true, stdin, stdout, stderr, resize: tty && version >= 3 };
  return Object.entries(all).flatMap(([name, wanted]) => (wanted ? [name] : []));
}

/** The streams that a session must have before its command starts. */
class Channels {
  readonly #streams = new Map<string, SpdyStream>();
  #settle!: (complete: boolean) => void;
  /** True once all are open, false when that is given up. */
  readonly complete = new Promise<boolean>((resolve) => (this.#settle = resolve));

  constructor(private readonly expected: string[]) {}

  /** Streams of other kinds, second ones of a kind and late ones are reset: nothing would ever read them. */
  offer(offer: StreamOffer): void {
    const type = offer.header("streamtype") ?? "";
    if (!this.expected.includes(type) || this.#streams.has(type)) {
      offer.refuse();
      return;
    }
    this.#streams.set(type, offer.accept());
    if (this.missing().length === 0) this.#settle(true);
  }

  fail(): void {
    this.#settle(false);
  }

  get(type: string): SpdyStream | undefined {
    return this.#streams.get(type);
  }

  missing(): string[] {
    return this.expected.filter((type) => !this.#streams.has(type));
  }
}

class SpdyCommand implements CommandClient {
  readonly stdin: SpdyStream | undefined;
  readonly stdout: SpdyStream | undefined;
  readonly stderr: SpdyStream | undefined;
  readonly gone: AbortSignal;
  readonly #gone = new AbortController();
  #finishing = false;
  readonly #sizes = new SizeReports();

  constructor(
    private readonly session: SpdySession,
    private readonly channels: Channels,
    private readonly report: (result: CommandResult) => void,
  ) {
    this.stdin = channels.get("stdin");
    this.stdout = channels.get("stdout");
    this.stderr = channels.get("stderr");
    this.gone = this.#gone.signal;
    // What a client may send where nothing is expected must not stop the connection.
    for (const channel of [channels.get("error"), this.stdout, this.stderr]) channel?.resume();
    channels.get("resize")?.on("data", (data: Buffer) => this.#sizes.push(data));
    void session.closed.then(({ error }) => {
      if (!this.#finishing) this.#gone.abort(error ?? new Error("the client has gone"));
    });
  }

  onResize(listener: (size: TerminalSize) => void): void {
    this.#sizes.listen(listener);
  }

  async finish(result: CommandResult): Promise<void> {
    this.#finishing = true;
    // Frees a client that waits to send input, and says that no more is wanted.
    this.stdin?.reset();
    this.channels.get("resize")?.reset();
    this.stdout?.end();
    this.stderr?.end();
    this.report(result);
    await this.session.finish();
  }
}
