import { Duplex } from "node:stream";
import { type SessionOverError, StreamResetError } from "./errors.js";
import { dataHeader, rst } from "./frames.js";
import type { Headers } from "./headers.js";
import type { FrameSource, OutgoingFrame } from "./outbox.js";

/** What a stream needs of its session. */
export interface StreamLink {
  /** The stream has something to send. */
  ready(stream: SpdyStream): void;
  /** What the stream keeps for its reader has changed by so much. */
  held(change: number): void;
  /** Both sides have sent their FIN: the stream is over, all that is left is to read what came. */
  completed(stream: SpdyStream): void;
  /** The stream was destroyed here; the session tells the client with RST_STREAM if the stream was not over. */
  destroyed(stream: SpdyStream, status: number): void;
}

/** What a piece in the receive queue costs beside its bytes, so that many short ones count as what they are. */
const pieceCost = 128;
/** Short pieces are handed to the reader joined, up to so much. */
const readBytes = 64 * 1024;

type Done = (error?: Error | null) => void;

/**
 * One accepted stream. Reading gives the client's data and ends at its FIN; `end()` sends ours; the one
 * does not end the other (draft section 2.3.6). `destroy()` and `reset()` send RST_STREAM. When the client
 * resets, the stream is destroyed with a StreamResetError and what was not read yet is dropped.
 *
 * Who does not want what a client may send has to say so with `resume()`: unread data stops the connection
 * (see SpdySession). An 'error' nobody listens to is not fatal, since a client may reset at any time.
 *
 * A write's callback, and 'finish', mean that the connection has taken the bytes, not that the client has.
 */
export class SpdyStream extends Duplex implements FrameSource {
  /** What came and was not asked for yet. It is kept here and not in Readable, whose limit counts only bytes. */
  private received: Buffer[] = [];
  private receivedCost = 0;
  private wanted = false;
  private remoteFin = false;
  private localFin = false;
  private unsent: Buffer[] = [];
  private done: Done | undefined;
  private gone: SessionOverError | undefined;
  private status: number = rst.cancel;

  constructor(
    readonly id: number,
    readonly headers: Headers,
    private readonly link: StreamLink,
  ) {
    super({ readableHighWaterMark: 1, writableHighWaterMark: readBytes });
    this.on("error", () => {});
  }

  /** The first value of a header, whatever the case of `name`. */
  header(name: string): string | undefined {
    return this.headers.get(name.toLowerCase())?.[0];
  }

  /** Ends both directions at once: RST_STREAM with this status. `destroy()` sends CANCEL, as Go's Reset does. */
  reset(status: number = rst.cancel): void {
    this.status = status;
    this.destroy();
  }

  /** What the reader has not taken yet, in bytes and something for each piece. */
  get backlog(): number {
    return this.receivedCost;
  }

  /** True when this side has sent its FIN. */
  get finSent(): boolean {
    return this.localFin;
  }

  // For the session:

  /** Data of the client, and its FIN. Data after a FIN, or for a stream nobody reads any more, is dropped. */
  receive(payload: Buffer, fin: boolean): void {
    if (this.remoteFin || this.destroyed) return;
    this.remoteFin = fin;
    if (payload.length > 0) this.enqueue(payload);
    if (fin) {
      if (this.received.length === 0) this.push(null);
      if (this.localFin) this.link.completed(this);
    }
  }

  /** The client took the stream back. */
  receiveReset(status: number): void {
    this.destroy(new StreamResetError(status));
  }

  /** No more will come, and nothing can be sent: the reader gets what is there and its end, writers an error. */
  clientLeft(error: SessionOverError): void {
    this.gone = error;
    this.receive(Buffer.alloc(0), true);
    this.settle(error);
  }

  /** The session finishes: what is queued is sent, then FIN; what still comes is dropped. */
  finishUp(): void {
    this.remoteFin = true;
    this.forget();
    this.push(null);
    if (this.localFin) this.link.completed(this);
    else if (!this.writableEnded) this.end();
  }

  takeFrame(limit: number): OutgoingFrame | undefined {
    if (this.destroyed || !this.done) return undefined;
    if (this.unsent.length === 0) {
      this.localFin = true;
      if (this.remoteFin) this.link.completed(this);
      return { parts: [dataHeader(this.id, 0, true)], done: () => this.settle() };
    }
    const pieces: Buffer[] = [];
    let length = 0;
    for (let piece = this.unsent[0]; piece && length < limit; piece = this.unsent[0]) {
      const part = piece.subarray(0, limit - length);
      length += part.length;
      pieces.push(part);
      if (part.length < piece.length) this.unsent[0] = piece.subarray(part.length);
      else this.unsent.shift();
    }
    const parts = [dataHeader(this.id, length), ...pieces];
    return this.unsent.length === 0 ? { parts, done: () => this.settle() } : { parts };
  }

  // For Duplex:

  override _read(): void {
    if (this.received.length > 0) {
      const piece = this.nextPiece();
      this.push(piece);
    } else {
      this.wanted = true;
    }
    if (this.received.length === 0 && this.remoteFin) this.push(null);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.send([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    const pieces = chunks.map(({ chunk }) => chunk);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    // Short writes become one frame; a great pile, which only a writer that ignores `write()` makes, is not copied.
    this.send(length <= readBytes ? [Buffer.concat(pieces, length)] : pieces, done);
  }

  override _final(done: Done): void {
    if (this.gone) {
      done();
      return;
    }
    this.done = done;
    this.link.ready(this);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.forget();
    this.unsent = [];
    this.settle(error ?? new Error("the stream was taken back before this was sent"));
    this.link.destroyed(this, this.status);
    done(error);
  }

  private send(chunks: Buffer[], done: Done): void {
    this.unsent = chunks.filter((chunk) => chunk.length > 0);
    if (this.gone || this.unsent.length === 0) {
      done(this.gone);
      return;
    }
    this.done = done;
    this.link.ready(this);
  }

  private settle(error?: Error): void {
    const done = this.done;
    this.done = undefined;
    done?.(error);
  }

  private enqueue(payload: Buffer): void {
    if (this.wanted && this.received.length === 0) {
      this.wanted = this.push(payload);
      return;
    }
    this.received.push(compact(payload));
    this.hold(payload.length + pieceCost);
  }

  /** The head of the queue, and short pieces behind it joined to one. */
  private nextPiece(): Buffer {
    let count = 0;
    let length = 0;
    for (const piece of this.received) {
      if (count > 0 && length + piece.length > readBytes) break;
      count += 1;
      length += piece.length;
    }
    const pieces = this.received.splice(0, count);
    this.hold(-(length + count * pieceCost));
    return count === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, length);
  }

  private hold(change: number): void {
    this.receivedCost += change;
    this.link.held(change);
  }

  private forget(): void {
    this.received = [];
    this.hold(-this.receivedCost);
  }
}

/** A slice keeps all of the piece it was cut from in memory: one that is less than half of it is copied. */
const compact = (slice: Buffer): Buffer =>
  slice.length * 2 < slice.buffer.byteLength ? Buffer.from(slice) : slice;
