import { ConnectionDuplex } from "./duplex.js";

/**
 * The messages of a connection as a stream of bytes: those that come joined, however they were cut, and one for
 * each chunk written. Its end is the connection's, with Close 1000; the client's Close is the end of input.
 */
export class Tunnel extends ConnectionDuplex {
  #clientClosed = false;

  /** No message follows; an error breaks the stream off. */
  clientEnded(error?: Error): void {
    this.#clientClosed = true;
    if (error) this.destroy(error);
    else this.endInput();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    // After the client's Close nobody is there to get it; an error would take away what the client said last
    // and nobody has read yet.
    this.connection.send(chunk, (error) => callback(this.#clientClosed ? undefined : error));
  }

  override _final(callback: () => void): void {
    void this.connection.finish().then(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connection.terminate();
    super._destroy(error, callback);
  }
}
