import type { Duplex } from "node:stream";

/** The longest DATA frame sent. Others wait for their turn, and pings for their echo, no longer than this. */
export const maxFrameBytes = 64 * 1024;

/**
 * So much may wait in the connection before the reader stops. Data alone never gets there; a client that sends
 * pings or streams to refuse, and never reads what they are answered with, does.
 */
const clogBytes = 256 * 1024;

/** A frame on its way: its parts in order, and what to do when the connection has taken all of its data. */
export interface OutgoingFrame {
  parts: Buffer[];
  /** Called once the frame is written. Unset when the source has more: it gets another turn. */
  done?: (() => void) | undefined;
}

export interface FrameSource {
  /** The next frame, of at most `limit` bytes of data; undefined when there is nothing to send any more. */
  takeFrame(limit: number): OutgoingFrame | undefined;
}

/**
 * Writes frames to the connection at its pace. Control frames go at once and in order; data is asked for only
 * when the connection wants more, one frame of each source in turn, so what waits in memory is the
 * connection's own buffer and one frame more, however many streams write and however slow the client reads.
 */
export class Outbox {
  private readonly waiting = new Set<FrameSource>();
  private pumping = false;
  private stopped = false;

  constructor(
    private readonly connection: Duplex,
    /** Called after each data frame, with its size: the session is not idle, and its end makes progress. */
    private readonly onData: (bytes: number) => void,
    /** Called when the connection has room again. */
    onRoom: () => void,
  ) {
    connection.on("drain", () => {
      this.pump();
      onRoom();
    });
  }

  /** True when so much waits for the client to read that it should not be given more to answer. */
  get clogged(): boolean {
    // Without a drain to come, waiting for one would be for ever.
    return this.connection.writableNeedDrain && this.connection.writableLength > clogBytes;
  }

  /** True when the client does not take what is written as fast as it is written. */
  get full(): boolean {
    return this.connection.writableNeedDrain;
  }

  control(frame: Buffer): void {
    if (!this.stopped) this.connection.write(frame);
  }

  /** The source has data to send, and will be asked for it. */
  ready(source: FrameSource): void {
    this.waiting.add(source);
    this.pump();
  }

  /** Nothing is written any more: a GOAWAY was, or the connection is gone. */
  stop(): void {
    this.stopped = true;
    this.waiting.clear();
  }

  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    // Corked, so that a frame's parts, and short frames, leave in one piece.
    this.connection.cork();
    for (const source of this.waiting) {
      if (this.stopped || this.connection.writableNeedDrain) break;
      // A set keeps the order of insertion: who is added again comes after all others, in this very loop.
      this.waiting.delete(source);
      this.write(source);
    }
    this.connection.uncork();
    this.pumping = false;
  }

  private write(source: FrameSource): void {
    const frame = source.takeFrame(maxFrameBytes);
    if (!frame) return;
    for (const part of frame.parts) this.connection.write(part);
    this.onData(frame.parts.reduce((sum, part) => sum + part.length, 0));
    if (frame.done) frame.done();
    else this.waiting.add(source);
  }
}
