/** The far end of a connection to the engine: what a process says, in Docker's frames, and what it is told. */
import { Duplex } from "node:stream";
import { deferred } from "../../src/waiting.js";

const frameTypes = { stdout: 1, stderr: 2 };

export class FakeProcess extends Duplex {
  /** All that came on its stdin. */
  stdin = "";
  readonly #stdinEnded = deferred();

  /** @param tty without frames, as on a terminal */
  constructor(private readonly tty: boolean) {
    super();
    this.once("close", () => this.#stdinEnded.resolve());
  }

  /** Resolves when its stdin has been closed, or the connection broken off. */
  get stdinEnded(): Promise<void> {
    return this.#stdinEnded.promise;
  }

  say(data: string | Buffer, from: "stdout" | "stderr" = "stdout"): void {
    const bytes = this.tty ? Buffer.from(data) : frame(frameTypes[from], Buffer.from(data));
    if (bytes.length === 0) return;
    // A header in two pieces, as a socket may bring it.
    this.push(bytes.subarray(0, 3));
    if (bytes.length > 3) this.push(bytes.subarray(3));
  }

  /** It has closed its output. */
  closeOutput(): void {
    this.push(null);
  }

  override _read(): void {
    // It speaks when it is told to, and not when it is asked.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.stdin += chunk.toString();
    this.emit("stdin");
    done();
  }

  override _final(done: () => void): void {
    this.#stdinEnded.resolve();
    done();
  }
}

function frame(type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
