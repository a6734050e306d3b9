/** The peer broke the protocol: no more of its bytes can be understood, the session ends with a GOAWAY. */
export class SpdyProtocolError extends Error {
  override readonly name = "SpdyProtocolError";
}

/** The peer took one stream back with RST_STREAM; the session goes on. */
export class StreamResetError extends Error {
  override readonly name = "StreamResetError";
  readonly code = "ECONNRESET";

  /** @param status the peer's reason, one of `rst` (5, CANCEL, from Go's Reset) */
  constructor(readonly status: number) {
    super(`the client reset the stream (status ${status})`);
  }
}

/** What a stream is destroyed with when its whole session is over, and what late writes fail with. */
export class SessionOverError extends Error {
  override readonly name = "SessionOverError";
  readonly code = "EPIPE";
}
