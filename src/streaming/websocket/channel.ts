import { finished } from "node:stream/promises";
import type { WebSocketConnection } from "./connection.js";
import { ConnectionDuplex } from "./duplex.js";
import { type Codec, encodeMessage, longestPayload } from "./messages.js";

/**
 * One of the numbered channels that share a connection. What is written has been taken by the kernel when a
 * write is done, so that a slow client is felt. Channels have no end of their own on the wire: ending one
 * says only that nothing more is written here.
 */
export class Channel extends ConnectionDuplex {
  /** @param use a channel that is for one direction has the other ended from the start */
  constructor(
    connection: WebSocketConnection,
    private readonly codec: Codec,
    private readonly number: number,
    use: "input" | "output" | "both" = "both",
  ) {
    super(connection);
    if (use === "input") this.end();
    if (use === "output") {
      this.endInput();
      this.resume();
    }
  }

  /** Ends the output and waits until the client has it, or never will. Never rejects. */
  async deliver(): Promise<void> {
    this.end();
    await finished(this, { readable: false }).catch(() => undefined);
  }

  override _write(chunk: Buffer, encoding: string, callback: (error?: Error) => void): void {
    const piece = chunk.subarray(0, longestPayload[this.codec]);
    const rest = chunk.subarray(piece.length);
    this.connection.send(encodeMessage(this.codec, this.number, piece), (error) => {
      if (error || rest.length === 0) callback(error);
      else this._write(rest, encoding, callback);
    });
  }
}
