// Client frames of RFC 7540 section 6, for tests that write bytes themselves.

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export const SETTINGS = frame(0x4, 0, 0);
export const SETTINGS_ACK = frame(0x4, 0x1, 0);
export const PING = frame(0x6, 0, 0, Buffer.alloc(8, 0x2f));
export const WINDOW_UPDATE = frame(0x8, 0, 0, Buffer.from([0, 0, 0xff, 0xff]));

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

export function data(streamId: number, payload: Uint8Array): Buffer {
  return frame(0x0, END_STREAM, streamId, payload);
}

export interface HeadersOptions {
  /** How many octets of padding, the length octet not counted. */
  padding?: number;
  priority?: boolean;
  /** How many octets of the block go into each frame: HEADERS first, then CONTINUATION. */
  pieces?: number;
}

/** A header block in a HEADERS frame and as many CONTINUATION frames as it takes. */
export function headers(streamId: number, block: Buffer, options: HeadersOptions = {}): Buffer {
  const { padding, priority = false, pieces = block.length } = options;
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += pieces) parts.push(block.subarray(at, at + pieces));
  const [first = block, ...rest] = parts;
  const flags = (padding === undefined ? 0 : 0x8) | (priority ? 0x20 : 0);
  const payload = Buffer.concat([
    Buffer.from(padding === undefined ? [] : [padding]),
    Buffer.from(priority ? [0, 0, 0, 0, 15] : []),
    first,
    // Slashes, so that a reader that takes padding for headers shows.
    Buffer.alloc(padding ?? 0, 0x2f),
  ]);
  const end = (last: boolean): number => (last ? END_HEADERS : 0);
  return Buffer.concat([
    frame(0x1, flags | end(rest.length === 0), streamId, payload),
    ...rest.map((part, index) => frame(0x9, end(index === rest.length - 1), streamId, part)),
  ]);
}
