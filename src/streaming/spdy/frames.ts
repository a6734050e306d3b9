/**
 * SPDY/3.1 frames as values, and how those that a server sends are written. Pure.
 *
 * It is SPDY/3 framing (draft-mbelshe-httpbis-spdy-00, section 2.2): the version field says 3, "3.1" is only
 * the name of the upgrade. All integers are big-endian.
 *
 *   control: 1 version(15) | type(16) | flags(8) | length(24) | payload
 *   data:    0 stream(31)             | flags(8) | length(24) | bytes
 */

/** Control frame types (draft section 2.6). Type 5, NOOP, is gone since SPDY/3; so is everything from 10 on. */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Reasons of RST_STREAM (draft section 2.6.3) that are sent here; Go's Reset uses cancel for everything. */
export const rst = { protocolError: 1, refusedStream: 3, cancel: 5, internalError: 6 } as const;
export type RstStatus = (typeof rst)[keyof typeof rst];

/** Reasons of GOAWAY (draft section 2.6.6). */
export const goawayStatus = { ok: 0, protocolError: 1, internalError: 2 } as const;
export type GoawayStatus = (typeof goawayStatus)[keyof typeof goawayStatus];

export const flagFin = 0x01;
export const flagUnidirectional = 0x02;
export const headerBytes = 8;
/** The greatest stream id, and the mask that makes one out of a word whose top bit is reserved. */
export const maxStreamId = 0x7fffffff;

/** A frame as parsed. The header blocks of the first three are still compressed, and must all be inflated. */
export type Frame =
  | { type: "synStream"; streamId: number; fin: boolean; unidirectional: boolean; block: Buffer }
  | { type: "synReply" | "headers"; streamId: number; fin: boolean; block: Buffer }
  | { type: "rstStream"; streamId: number; status: number }
  | { type: "ping"; id: number }
  | { type: "goaway"; lastGoodStreamId: number; status: number }
  /** SETTINGS and WINDOW_UPDATE: nothing in Kubernetes keeps windows, so they say nothing. */
  | { type: "ignored" }
  /** A piece of a DATA frame, as it arrived; only the last piece can carry the frame's FIN. */
  | { type: "data"; streamId: number; payload: Buffer; fin: boolean };

function controlFrame(type: number, flags: number, words: number[], block?: Buffer): Buffer {
  const fixed = Buffer.allocUnsafe(headerBytes + 4 * words.length);
  fixed.writeUInt32BE(0x80030000 + type, 0);
  fixed.writeUInt32BE(flags * 0x1000000 + 4 * words.length + (block?.length ?? 0), 4);
  words.forEach((word, index) => fixed.writeUInt32BE(word, headerBytes + 4 * index));
  return block ? Buffer.concat([fixed, block]) : fixed;
}

/** SYN_REPLY (draft section 2.6.2). In SPDY/3 the block follows the stream id directly. */
export const synReplyFrame = (streamId: number, block: Buffer, fin = false): Buffer =>
  controlFrame(frameType.synReply, fin ? flagFin : 0, [streamId], block);

/** RST_STREAM (draft section 2.6.3); it has no flags, and a status of 0 would be illegal. */
export const rstStreamFrame = (streamId: number, status: number): Buffer =>
  controlFrame(frameType.rstStream, 0, [streamId, status]);

/** PING (draft section 2.6.5), and its echo: an odd id is the client's, an even one the server's. */
export const pingFrame = (id: number): Buffer => controlFrame(frameType.ping, 0, [id]);

/** GOAWAY (draft section 2.6.6). spdystream reads nothing after it: it has to be the last frame sent. */
export const goawayFrame = (lastGoodStreamId: number, status: number): Buffer =>
  controlFrame(frameType.goaway, 0, [lastGoodStreamId, status]);

/** The 8 bytes before `length` (at most 2^24 - 1) bytes of data (draft section 2.2.2). */
export function dataHeader(streamId: number, length: number, fin = false): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt32BE((fin ? flagFin * 0x1000000 : 0) + length, 4);
  return header;
}
