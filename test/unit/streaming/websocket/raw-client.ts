import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A client that says what it likes. */
export class RawClient {
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  readonly ended: Promise<void>;

  constructor(readonly socket: Socket) {
    socket.on("data", (data) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake?.();
    });
    this.ended = new Promise((resolve) => {
      const over = () => {
        resolve();
        this.#wake?.();
      };
      socket.once("end", over).once("close", over).on("error", over);
    });
  }

  /** The next bytes, in hex. */
  async bytes(count: number): Promise<string> {
    while (this.#received.length < count && !this.socket.readableEnded && !this.socket.destroyed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes.toString("hex");
  }

  /** The lines of an answer up to the empty one. */
  async head(): Promise<string[]> {
    let end: number;
    while ((end = this.#received.indexOf("\r\n\r\n")) < 0 && !this.socket.destroyed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const lines = this.#received.subarray(0, end).toString().split("\r\n");
    this.#received = this.#received.subarray(end + 4);
    return lines;
  }

  async rest(): Promise<string> {
    await this.ended;
    return this.#received.toString();
  }
}

/** RFC 6455's own example of a key. */
export const key = "dGhlIHNhbXBsZSBub25jZQ==";
const usual = { "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key };

/** @param behind bytes that go out together with the request */
export function dialRaw(
  t: TestContext,
  port: number,
  {
    method = "GET",
    headers = {},
    behind = Buffer.alloc(0),
  }: { method?: string; headers?: Record<string, string | undefined>; behind?: Buffer } = {},
): RawClient {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  const lines = Object.entries({ ...usual, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  const request = [
    `${method} / HTTP/1.1`,
    "Host: whoever",
    "Connection: Upgrade",
    "Upgrade: websocket",
    ...lines,
  ];
  socket.write(Buffer.concat([Buffer.from(`${request.join("\r\n")}\r\n\r\n`), behind]));
  return new RawClient(socket);
}

/** A client's frame; masked, if at all, with zeroes, which leaves the payload readable. */
export function frame(opcode: number, payload: Buffer, { masked = true, fin = true } = {}): Buffer {
  if (payload.length > 125) throw new Error("only short frames are needed");
  const head = [(fin ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | payload.length];
  return Buffer.concat([Buffer.from(masked ? [...head, 0, 0, 0, 0] : head), payload]);
}
export const closeFrame = frame(8, Buffer.from([0x03, 0xe8]));
