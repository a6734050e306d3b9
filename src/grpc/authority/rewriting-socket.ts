import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { ClientBytes } from "./client-bytes.js";

type Done = (error?: Error | null) => void;

/**
 * A socket whose client's bytes are read through ClientBytes, while the server's bytes go out as they are. It
 * ends, fails and is destroyed together with the socket, and each side waits when the other is slow.
 */
export class RewritingSocket extends Duplex {
  constructor(
    private readonly socket: Socket,
    private readonly clientBytes: ClientBytes,
    /** What of the client's bytes has been through `clientBytes` already. The socket must be paused. */
    passed: readonly Buffer[],
  ) {
    super();
    this.#pass(passed);
    socket.on("data", (chunk: Buffer) => {
      if (!this.#pass(clientBytes.push(chunk))) socket.pause();
    });
    socket.on("end", () => {
      this.#pass(clientBytes.release());
      this.push(null);
    });
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.socket.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.socket.cork();
    for (const { chunk } of chunks.slice(0, -1)) this.socket.write(chunk);
    this.socket.write(chunks.at(-1)?.chunk ?? "", done);
    this.socket.uncork();
  }

  override _final(done: Done): void {
    // The socket ends itself when the client has; to end it once more is an error when it is through.
    if (this.socket.writableFinished) done();
    else this.socket.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.socket.destroy();
    done(error);
  }

  /** Says whether more is welcome. */
  #pass(chunks: readonly Buffer[]): boolean {
    return chunks.map((chunk) => this.push(chunk)).at(-1) ?? true;
  }
}
