import { Duplex } from "node:stream";
import type { WebSocketConnection } from "./connection.js";

/** What may wait for a reader before the connection is paused, and for the client before a writer is told to. */
const highWaterMark = 256 * 1024;

/** What a connection brings, at its reader's pace; writing is for those who extend it. */
export abstract class ConnectionDuplex extends Duplex {
  #ended = false;

  constructor(protected readonly connection: WebSocketConnection) {
    super({ highWaterMark });
    // Who uses it may look elsewhere for what becomes of the client; the process must not end for it.
    this.on("error", () => undefined);
  }

  /** Takes what has come; dropped once the input has ended, or nobody wants it any more. */
  receive(payload: Buffer): void {
    if (this.#ended || this.destroyed || payload.length === 0) return;
    if (!this.push(payload)) this.connection.pause(this);
  }

  /** The client sends nothing more here; what has come before is still there to be read. */
  endInput(): void {
    if (this.#ended || this.destroyed) return;
    this.#ended = true;
    this.push(null);
  }

  override _read(): void {
    this.connection.resume(this);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connection.resume(this);
    callback(error);
  }
}
