import { SpdyProtocolError } from "./errors.js";
import { flagFin, flagUnidirectional, type Frame, frameType, headerBytes, maxStreamId } from "./frames.js";

/**
 * The longest control frame taken. Legal is 2^24 - 1, and that much would have to be kept before it could be
 * judged. What Kubernetes sends is a SYN_STREAM of some 60 bytes; 16 KiB holds the largest header block that
 * headers.ts would accept (16 KiB as plain text), even uncompressed but for a few bytes.
 */
export const maxControlLength = 16 * 1024;

const empty: Buffer = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames, however it arrives: one byte at a time, or many frames in one piece (tunnel
 * clients send each field of a header as a message of its own). Pure, and small: it keeps at most one frame
 * header and the payload of one control frame. DATA is passed on as it comes, a frame of 16 MiB is never whole.
 *
 * It judges as the Go peers' reader does (moby/spdystream, spdy/read.go), and is stricter in two places: the
 * version must be 3, and lengths must be exact, where Go would read on out of step.
 */
export class FrameParser {
  private header: Buffer = empty;
  private control: { type: number; flags: number; length: number; payload: Buffer } | undefined;
  private data: { streamId: number; fin: boolean; left: number } | undefined;
  private broken: SpdyProtocolError | undefined;

  /** How many bytes are kept until the rest of their frame comes. */
  get held(): number {
    return this.header.length + (this.control?.payload.length ?? 0);
  }

  /** True when the last piece ended inside a frame: an end of the connection here is not an orderly one. */
  get midFrame(): boolean {
    return this.header.length > 0 || this.control !== undefined || this.data !== undefined;
  }

  /**
   * The frames that `chunk` completes, one after another as they are asked for; ask for all of them, or never
   * push again. Payloads and blocks may be views into `chunk`.
   * @throws SpdyProtocolError at the frame that is wrong, and again whenever it is called after that
   */
  *push(chunk: Buffer): Generator<Frame, void> {
    if (this.broken) throw this.broken;
    try {
      yield* this.cut(chunk);
    } catch (error) {
      if (error instanceof SpdyProtocolError) this.broken = error;
      throw error;
    }
  }

  private *cut(chunk: Buffer): Generator<Frame, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.data) {
        const payload = rest.subarray(0, this.data.left);
        rest = rest.subarray(payload.length);
        yield this.dataPiece(this.data, payload);
        continue;
      }
      if (!this.control) {
        const more = rest.subarray(0, headerBytes - this.header.length);
        rest = rest.subarray(more.length);
        this.header = join(this.header, more);
        if (this.header.length < headerBytes) return;
        const frame = this.begin(this.header);
        this.header = empty;
        if (frame) yield frame;
      }
      if (!this.control) continue;
      const { type, flags, length, payload } = this.control;
      const more = rest.subarray(0, length - payload.length);
      rest = rest.subarray(more.length);
      this.control.payload = join(payload, more);
      if (this.control.payload.length < length) return;
      const whole = this.control.payload;
      this.control = undefined;
      yield parseControl(type, flags, whole);
    }
  }

  /** Reads a frame header. An empty DATA frame is complete with it. */
  private begin(header: Buffer): Frame | undefined {
    const first = header.readUInt32BE(0);
    const flags = header.readUInt8(4);
    const length = header.readUIntBE(5, 3);
    if (first <= maxStreamId) {
      const streamId = streamIdAt(header, 0);
      const fin = (flags & flagFin) !== 0;
      if (length === 0) return { type: "data", streamId, payload: empty, fin };
      this.data = { streamId, fin, left: length };
      return undefined;
    }
    const version = (first >>> 16) & 0x7fff;
    const type = first & 0xffff;
    if (version !== 3) throw new SpdyProtocolError(`a frame of SPDY version ${version}`);
    if (!known.has(type)) throw new SpdyProtocolError(`a frame of unknown type ${type}`);
    if (length < (shortest.get(type) ?? 0)) throw badLength(type, length);
    if (length > maxControlLength) throw badLength(type, length);
    this.control = { type, flags, length, payload: empty };
    return undefined;
  }

  private dataPiece(frame: { streamId: number; fin: boolean; left: number }, payload: Buffer): Frame {
    frame.left -= payload.length;
    if (frame.left === 0) this.data = undefined;
    return { type: "data", streamId: frame.streamId, payload, fin: frame.fin && frame.left === 0 };
  }
}

const known = new Set<number>(Object.values(frameType));

/** What a frame's fixed fields need. No known frame is without any, so a control frame always has a payload. */
const shortest = new Map<number, number>([
  [frameType.synStream, 10],
  [frameType.synReply, 4],
  [frameType.rstStream, 8],
  [frameType.settings, 4],
  [frameType.ping, 4],
  [frameType.goaway, 8],
  [frameType.headers, 4],
  [frameType.windowUpdate, 8],
]);

/** Most frames come in one piece, and are not copied then. */
const join = (kept: Buffer, more: Buffer): Buffer => (kept.length === 0 ? more : Buffer.concat([kept, more]));

function parseControl(type: number, flags: number, payload: Buffer): Frame {
  const fin = (flags & flagFin) !== 0;
  switch (type) {
    case frameType.synStream:
      // The id is passed on as it is: one over 2^31 - 1 is refused by the session, not the end of it.
      return {
        type: "synStream",
        streamId: streamIdAt(payload, 0),
        fin,
        unidirectional: (flags & flagUnidirectional) !== 0,
        block: payload.subarray(10),
      };
    case frameType.synReply:
      return { type: "synReply", streamId: streamIdAt(payload, 0), fin, block: payload.subarray(4) };
    case frameType.headers:
      return { type: "headers", streamId: streamIdAt(payload, 0), fin, block: payload.subarray(4) };
    case frameType.rstStream: {
      if (payload.length !== 8) throw badLength(type, payload.length);
      const status = payload.readUInt32BE(4);
      if (status === 0) throw new SpdyProtocolError("RST_STREAM with status 0");
      return { type: "rstStream", streamId: streamIdAt(payload, 0), status };
    }
    case frameType.ping: {
      if (payload.length !== 4) throw badLength(type, payload.length);
      if (flags !== 0) throw new SpdyProtocolError("PING with flags");
      const id = payload.readUInt32BE(0);
      if (id === 0) throw new SpdyProtocolError("PING with id 0");
      return { type: "ping", id };
    }
    case frameType.goaway:
      if (payload.length !== 8) throw badLength(type, payload.length);
      if (flags !== 0) throw new SpdyProtocolError("GOAWAY with flags");
      return { type: "goaway", lastGoodStreamId: payload.readUInt32BE(0), status: payload.readUInt32BE(4) };
    case frameType.windowUpdate:
      if (payload.length !== 8) throw badLength(type, payload.length);
      if (flags !== 0) throw new SpdyProtocolError("WINDOW_UPDATE with flags");
      return { type: "ignored" };
    default:
      // SETTINGS: a count, and so many entries of 8 bytes.
      if (payload.readUInt32BE(0) > (payload.length - 4) / 8) throw badLength(type, payload.length);
      return { type: "ignored" };
  }
}

function streamIdAt(bytes: Buffer, offset: number): number {
  const id = bytes.readUInt32BE(offset);
  if (id === 0) throw new SpdyProtocolError("a frame for stream 0");
  return id;
}

const badLength = (type: number, length: number): SpdyProtocolError =>
  new SpdyProtocolError(`a frame of type ${type} cannot have ${length} bytes`);
