import type { Duplex } from "node:stream";
import { SessionOverError, SpdyProtocolError } from "./errors.js";
import { FrameParser } from "./frame-parser.js";
import * as frames from "./frames.js";
import { type Headers, HeaderReader, HeaderWriter } from "./headers.js";
import { Outbox } from "./outbox.js";
import { decide, type StreamOffer } from "./offer.js";
import { SpdyStream } from "./stream.js";
import { type Timeouts, Timers } from "./timers.js";

export type { StreamOffer } from "./offer.js";

export interface SpdySessionOptions extends Timeouts {
  /** Called for each new stream. One that it neither accepts nor refuses is refused. */
  onStream: (offer: StreamOffer) => void;
  /** Bytes that came behind the headers of the upgrade request; they are the first of the session. */
  head?: Buffer;
  /** Streams open at a time; more are refused. An open stream that nothing is done with costs no buffer. */
  maxStreams?: number;
}

/**
 * Why a session is over: the client left (GOAWAY, or an end of its bytes); it left, or had its time to, after
 * `finish`; nothing happened for the idle timeout; the client broke the protocol; the connection was lost; or
 * this side broke it off. The last four come with an error, the one that open streams were destroyed with.
 */
export interface SessionEnd {
  reason: "client" | "finished" | "idle" | "protocol" | "lost" | "aborted";
  error?: Error;
}

/** For one stream, and for all: what may wait for readers before the connection is not read any more. */
const maxStreamBacklog = 256 * 1024;
const maxBacklog = 4 * 1024 * 1024;

/**
 * The server's side of a SPDY/3.1 connection (draft-mbelshe-httpbis-spdy-00), as client-go's spdystream speaks
 * it, over anything that is a byte stream each way: the socket of an upgraded request, or a tunnel.
 *
 * Nobody in Kubernetes keeps SPDY's flow control windows, so neither does this: no WINDOW_UPDATE is sent, and
 * no window ever waited for. What is left is to stop reading the connection when one stream's reader is slow,
 * and that stops all its other streams and the answers to pings, too. To notice a client that dies meanwhile,
 * pings of ours are written: their echo is not needed, writing to a dead connection fails by itself.
 *
 * No call throws because of the client, and streams emit no unhandled error: watch `closed`.
 */
export class SpdySession {
  /** Resolves when the session is over and the connection closed; never rejects. */
  readonly closed: Promise<SessionEnd>;

  private readonly parser = new FrameParser();
  private readonly headerReader = new HeaderReader();
  private readonly headerWriter = new HeaderWriter();
  private readonly outbox: Outbox;
  private readonly timers: Timers;
  private readonly streams = new Map<number, SpdyStream>();
  /**
   * open > finishing (no new streams, all are being ended) > leaving (GOAWAY is out, nothing is sent or
   * understood any more, but bytes are still read: closing with unread bytes would make the kernel take
   * back what the client has not read yet) > over
   */
  private phase: "open" | "finishing" | "leaving" | "over" = "open";
  private end: SessionEnd = { reason: "lost" };
  private nextStreamId = 1;
  private lastAccepted = 0;
  private backlog = 0;
  private wakeReader: (() => void) | undefined;
  private settle: (end: SessionEnd) => void = () => {};

  constructor(
    private readonly connection: Duplex,
    private readonly options: SpdySessionOptions,
  ) {
    this.closed = new Promise((resolve) => (this.settle = resolve));
    this.timers = new Timers(options, {
      idle: () => this.leave("idle", new SessionOverError("nothing happened for the idle timeout")),
      lingered: () => this.leave("finished"),
      stuck: () => this.connection.destroy(),
      probe: (id) => {
        // Where bytes wait to be written already, those find out.
        if (!this.outbox.full) this.outbox.control(frames.pingFrame(id));
      },
    });
    this.outbox = new Outbox(
      connection,
      () => this.timers.sent(),
      () => this.wakeReader?.(),
    );
    connection.on("error", (error) => this.lose(error));
    connection.on("close", () => this.lose(new Error("the connection was closed")));
    void this.read();
  }

  /** How many streams are open: not ended in both directions, and not reset. */
  get openStreams(): number {
    return this.streams.size;
  }

  /**
   * The orderly end. Sends what streams have queued and FIN on each, refuses new ones, drops what still comes,
   * and answers pings until the client leaves, which is when it has read everything: a connection closed
   * earlier loses output for slow clients. A client that does not leave is sent GOAWAY after the linger
   * timeout, which starts anew as long as data goes out. Resolves as `closed` does.
   */
  finish(): Promise<SessionEnd> {
    if (this.phase === "open") {
      this.phase = "finishing";
      for (const stream of this.streams.values()) stream.finishUp();
      this.timers.startLinger();
      this.wakeReader?.();
    }
    return this.closed;
  }

  /** Breaks off: all streams are destroyed with `error` and reset, then GOAWAY. Resolves as `closed` does. */
  abort(error: Error): Promise<SessionEnd> {
    this.leave("aborted", error);
    return this.closed;
  }

  private async read(): Promise<void> {
    try {
      if (this.options.head) await this.feed(this.options.head);
      const pieces = this.connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const piece of pieces) await this.feed(piece);
      if (this.parser.midFrame) this.leave("lost", new SessionOverError("the client left inside a frame"));
      else this.leave("client");
    } catch (error) {
      this.lose(error as Error);
    }
  }

  /** Handles all frames of a piece, and waits in between whenever what they bring has nowhere to go. */
  private async feed(piece: Buffer): Promise<void> {
    try {
      if (!this.listening) return;
      for (const frame of this.parser.push(piece)) {
        this.timers.active();
        this.handle(frame);
        const stream = frame.type === "data" ? this.streams.get(frame.streamId) : undefined;
        if (this.full(stream)) await this.room(stream);
        if (!this.listening) return;
      }
    } catch (error) {
      if (error instanceof SpdyProtocolError) this.leave("protocol", error);
      else this.leave("aborted", error as Error);
    }
  }

  private get listening(): boolean {
    return this.phase === "open" || this.phase === "finishing";
  }

  private full(stream: SpdyStream | undefined): boolean {
    const streamFull = stream !== undefined && stream.backlog > maxStreamBacklog;
    return streamFull || this.backlog > maxBacklog || this.outbox.clogged;
  }

  private async room(stream: SpdyStream | undefined): Promise<void> {
    this.timers.startProbes();
    while (this.listening && this.full(stream)) {
      await new Promise<void>((resolve) => (this.wakeReader = resolve));
    }
    this.wakeReader = undefined;
    this.timers.stopProbes();
  }

  private handle(frame: frames.Frame): void {
    switch (frame.type) {
      case "data":
        // Unknown streams are over already, at least on this side: the client may not know yet.
        this.streams.get(frame.streamId)?.receive(frame.payload, frame.fin);
        return;
      case "synStream":
        this.open(frame, this.headerReader.read(frame.block));
        return;
      case "synReply":
      case "headers":
        // No stream is opened here, and no header comes late in Kubernetes; but the zlib state goes on.
        this.headerReader.read(frame.block);
        if (frame.fin) this.streams.get(frame.streamId)?.receive(Buffer.alloc(0), true);
        return;
      case "rstStream": {
        const stream = this.streams.get(frame.streamId);
        this.streams.delete(frame.streamId);
        stream?.receiveReset(frame.status);
        return;
      }
      case "ping":
        // An even id is the echo of one of ours.
        if (frame.id % 2 === 1) this.send(frames.pingFrame(frame.id));
        return;
      case "goaway":
        this.leave("client");
        return;
      case "ignored":
        return;
    }
  }

  private open(
    { streamId: id, fin, unidirectional }: Extract<frames.Frame, { type: "synStream" }>,
    headers: Headers,
  ): void {
    const refuse = (status: frames.RstStatus) => this.send(frames.rstStreamFrame(id, status));
    // Gaps, and even ids, are let through as spdystream does.
    if (id > frames.maxStreamId || id < this.nextStreamId) {
      refuse(frames.rst.protocolError);
      return;
    }
    this.nextStreamId = id + 2;
    const full = this.streams.size >= (this.options.maxStreams ?? 1024);
    // One direction only is a push; what would this side say then?
    if (this.phase !== "open" || full || unidirectional) {
      refuse(frames.rst.refusedStream);
      return;
    }
    const answers = { accept: () => this.accept(id, headers), refuse };
    const stream = decide(id, headers, this.options.onStream, answers);
    if (fin) stream?.receive(Buffer.alloc(0), true);
  }

  /** The reply comes before any data: clients drop data of a stream that was not replied to. */
  private accept(id: number, headers: Headers): SpdyStream {
    this.lastAccepted = id;
    this.send(frames.synReplyFrame(id, this.headerWriter.write()));
    const stream = new SpdyStream(id, headers, {
      ready: (ready) => this.outbox.ready(ready),
      held: (change) => {
        this.backlog += change;
        if (change < 0) this.wakeReader?.();
      },
      completed: () => this.streams.delete(id),
      destroyed: (_stream, status) => {
        if (this.streams.delete(id)) this.send(frames.rstStreamFrame(id, status));
        this.wakeReader?.();
      },
    });
    this.streams.set(id, stream);
    return stream;
  }

  private send(frame: Buffer): void {
    this.timers.active();
    this.outbox.control(frame);
  }

  /** Ends every stream, says GOAWAY, as the very last frame, and closes the connection once it is written. */
  private leave(reason: SessionEnd["reason"], error?: Error): void {
    if (!this.listening) return;
    const orderly = this.phase === "finishing" && reason === "client" ? "finished" : reason;
    this.end = error ? { reason: orderly, error } : { reason: orderly };
    this.endStreams(error);
    this.outbox.control(frames.goawayFrame(this.lastAccepted, goawayFor[reason]));
    this.outbox.stop();
    this.phase = "leaving";
    this.connection.end();
    this.timers.startClose();
    this.wakeReader?.();
  }

  /** With an error streams are destroyed; a client that leaves of its own will is the end of what it sends. */
  private endStreams(error?: Error): void {
    const left = new SessionOverError("the client has left");
    for (const stream of this.streams.values()) {
      if (error) stream.destroy(error);
      else stream.clientLeft(left);
    }
    this.streams.clear();
  }

  private lose(error: Error): void {
    if (this.phase === "over") return;
    if (this.listening) {
      // Proxies may close with an echo of ours unread, which is a reset here: no loss if all was said.
      const allSaid = this.phase === "finishing" && this.streams.size === 0;
      this.end = allSaid ? { reason: "finished" } : { reason: "lost", error };
      this.phase = "over";
      this.outbox.stop();
      this.endStreams(new SessionOverError("the connection was lost", { cause: error }));
    }
    this.phase = "over";
    this.timers.stop();
    this.connection.destroy();
    this.wakeReader?.();
    this.settle(this.end);
  }
}

const goawayFor: Record<SessionEnd["reason"], frames.GoawayStatus> = {
  client: frames.goawayStatus.ok,
  finished: frames.goawayStatus.ok,
  idle: frames.goawayStatus.ok,
  protocol: frames.goawayStatus.protocolError,
  lost: frames.goawayStatus.protocolError,
  aborted: frames.goawayStatus.internalError,
};
