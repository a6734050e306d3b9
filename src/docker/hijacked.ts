import type { Socket } from "node:net";
import { Duplex } from "node:stream";

type Done = (error?: Error | null) => void;

/**
 * An upgraded connection to the daemon, which carries a process's streams. When the process has ended, the daemon
 * hangs up without reading the input that is left, which the kernel reports to both directions here: as a broken
 * pipe to who writes, as a reset to who reads. To Node either is the end of the socket, with all that the daemon
 * has said and nobody has read yet. Here what was said is read first, and then it is an end like any other; how
 * the process ended is asked anyway, and a daemon that was killed does not answer.
 */
export class HijackedConnection extends Duplex {
  #ended = false;

  constructor(private readonly socket: Socket) {
    super();
    forgiveWrites(socket);
    socket.on("data", (data) => {
      if (!this.push(data)) socket.pause();
    });
    socket.on("end", () => this.#end());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!hungUp.has(error.code ?? "")) {
        this.destroy(error);
        return;
      }
      const left = socket.read() as Buffer | null;
      if (left) this.push(left);
      this.#end();
    });
    socket.on("close", () => this.#end());
    socket.pause();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void {
    this.socket.write(chunk, encoding, () => done());
  }

  override _final(done: Done): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.socket.destroy();
    done(error);
  }

  #end(): void {
    if (!this.#ended && !this.destroyed) this.push(null);
    this.#ended = true;
  }
}

const hungUp = new Set(["ECONNRESET", "EPIPE"]);

/** A write that fails must leave the socket: there may be something to read. Whoever writes on is not heard. */
function forgiveWrites(socket: Socket): void {
  const write = socket._write.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, () => done());
  const writev = socket._writev?.bind(socket);
  if (writev) socket._writev = (chunks, done) => writev(chunks, () => done());
}
