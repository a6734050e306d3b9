/** Frame types and flags of RFC 7540 section 6 that matter on the way from client to server. */
export const FRAME = {
  headers: 0x1,
  priority: 0x2,
  settings: 0x4,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;
export const FLAG = { ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const FRAME_HEADER_LENGTH = 9;

/** SETTINGS_MAX_FRAME_SIZE as Node's server leaves it; a larger frame ends the connection. */
export const FRAME_SIZE_LIMIT = 16_384;
/** Node refuses a list of more than 64 KiB, and its encoding is no longer; the rest is room for frame headers. */
const BLOCK_LIMIT = 5 * FRAME_SIZE_LIMIT;

export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** The frame header at an offset (RFC 7540 section 4.1); undefined while it is incomplete. */
export function frameHeaderAt(bytes: Buffer, at: number): FrameHeader | undefined {
  if (bytes.length - at < FRAME_HEADER_LENGTH) return undefined;
  return {
    length: bytes.readUIntBE(at, 3),
    type: bytes.readUInt8(at + 3),
    flags: bytes.readUInt8(at + 4),
    streamId: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
  };
}

/** A header block's pieces, sharing memory with the bytes, and where the bytes go on behind it. */
export type HeaderBlock =
  | { readonly kind: "complete"; readonly fragments: readonly Buffer[]; readonly end: number }
  | { readonly kind: "incomplete"; readonly wanted: number }
  | { readonly kind: "malformed" };

/**
 * The header block that begins with the HEADERS frame at an offset and ends with the frame that has END_HEADERS
 * (RFC 7540 sections 4.3, 6.2 and 6.10). `wanted` counts the bytes, from the offset on, that must be there
 * before another look can tell more. A block that the server would refuse for its size is malformed.
 */
export function headerBlockAt(bytes: Buffer, at: number): HeaderBlock {
  const fragments: Buffer[] = [];
  const first = frameHeaderAt(bytes, at);
  for (let start = at; ;) {
    const frame = frameHeaderAt(bytes, start);
    if (!first || !frame) return { kind: "incomplete", wanted: start - at + FRAME_HEADER_LENGTH };

    const continues = frame.type === FRAME.continuation && frame.streamId === first.streamId;
    const end = start + FRAME_HEADER_LENGTH + frame.length;
    if (start > at && !continues) return { kind: "malformed" };
    if (frame.length > FRAME_SIZE_LIMIT || end - at > BLOCK_LIMIT) return { kind: "malformed" };
    if (end > bytes.length) return { kind: "incomplete", wanted: end - at };

    const payload = bytes.subarray(start + FRAME_HEADER_LENGTH, end);
    const fragment = start > at ? payload : withoutPadding(payload, frame.flags);
    if (!fragment) return { kind: "malformed" };
    fragments.push(fragment);
    if (frame.flags & FLAG.endHeaders) return { kind: "complete", fragments, end };
    start = end;
  }
}

/** RFC 7540 section 6.2: pad length and priority come before the fragment, the padding behind it. */
function withoutPadding(payload: Buffer, flags: number): Buffer | undefined {
  const padded = (flags & FLAG.padded) !== 0;
  const start = (padded ? 1 : 0) + (flags & FLAG.priority ? 5 : 0);
  const end = payload.length - (padded ? (payload[0] ?? 0) : 0);
  return start <= end ? payload.subarray(start, end) : undefined;
}
