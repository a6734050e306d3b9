import { createHash } from "node:crypto";
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { constants, deflateRawSync } from "node:zlib";
import { dictionary, dictionaryId } from "../../src/streaming/spdy/dictionary.js";
import { FrameParser } from "../../src/streaming/spdy/frame-parser.js";
import { dataHeader, type Frame, goawayFrame } from "../../src/streaming/spdy/frames.js";
import { pingFrame, rstStreamFrame } from "../../src/streaming/spdy/frames.js";
import { HeaderReader, writeBlock } from "../../src/streaming/spdy/headers.js";

/**
 * Compresses as a client does: one zlib stream at level 9 with the dictionary, a sync flush after each block,
 * and references back into the blocks before.
 */
export class HeaderDeflater {
  private window: Buffer | undefined;

  write(pairs: Iterable<readonly [string, string]>): Buffer {
    return this.deflate(writeBlock(pairs));
  }

  deflate(plain: Buffer): Buffer {
    const start = Buffer.from([0x78, 0xf9, 0, 0, 0, 0]);
    start.writeUInt32BE(dictionaryId, 2);
    const window = this.window ?? dictionary;
    const options = { dictionary: window, level: 9, finishFlush: constants.Z_SYNC_FLUSH };
    const deflated = deflateRawSync(plain, options);
    const block = this.window ? deflated : Buffer.concat([start, deflated]);
    this.window = Buffer.concat([window, plain]).subarray(-32768);
    return block;
  }
}

/** SYN_STREAM, which only clients send. */
export function synStreamFrame(streamId: number, block: Buffer, flags = 0): Buffer {
  const fixed = Buffer.from("8003000100000000000000000000000000000000".slice(0, 36), "hex");
  fixed.writeUInt8(flags, 4);
  fixed.writeUIntBE(10 + block.length, 5, 3);
  fixed.writeUInt32BE(streamId, 8);
  return Buffer.concat([fixed, block]);
}

/** How a stream's data ended: as the Go client sees it, all of these are its EOF. */
export type StreamEnd = "fin" | "reset" | "goaway" | "closed";

/** A stream that the server has replied to. What it sends is kept until `collect`, `digest` or `onData` asks. */
export class ClientStream {
  readonly ended: Promise<StreamEnd>;
  resetStatus: number | undefined;
  private readonly kept: Buffer[] = [];
  private consumer: ((data: Buffer) => void) | undefined;
  end!: (how: StreamEnd) => void;

  constructor(
    readonly id: number,
    private readonly client: SpdyClient,
  ) {
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  /** Sends data in frames of at most 32 KiB, as Go's io.Copy does; resolves when it may be followed by more. */
  async write(data: Buffer | string, frameBytes = 32 * 1024): Promise<void> {
    const bytes = Buffer.from(data);
    for (let at = 0; at < bytes.length; at += frameBytes) {
      const part = bytes.subarray(at, at + frameBytes);
      await this.client.send(Buffer.concat([dataHeader(this.id, part.length), part]));
    }
  }

  /** Half-closes: the server reads an end, and may go on sending. */
  fin(): Promise<void> {
    return this.client.send(dataHeader(this.id, 0, true));
  }

  reset(status = 5): Promise<void> {
    this.end("reset");
    return this.client.send(rstStreamFrame(this.id, status));
  }

  /** Hands over what has come and what will. */
  onData(consumer: (data: Buffer) => void): void {
    this.consumer = consumer;
    for (const data of this.kept.splice(0)) consumer(data);
  }

  /** Everything up to the end, however it ends. */
  async collect(): Promise<Buffer> {
    const parts: Buffer[] = [];
    this.onData((data) => parts.push(data));
    await this.ended;
    return Buffer.concat(parts);
  }

  /** As `collect`, for more than one wants to keep. */
  async digest(): Promise<{ bytes: number; sha256: string }> {
    const hash = createHash("sha256");
    let bytes = 0;
    this.onData((data) => {
      bytes += data.length;
      hash.update(data);
    });
    await this.ended;
    return { bytes, sha256: hash.digest("hex") };
  }

  receive(data: Buffer): void {
    if (this.consumer) this.consumer(data);
    else this.kept.push(Buffer.from(data));
  }
}

interface Opening {
  resolve: (stream: ClientStream) => void;
  reject: (error: Error) => void;
}

/** The client's side of a session, as small as tests need it. What a Go peer would choke on is in `faults`. */
export class SpdyClient {
  readonly faults: string[] = [];
  /** The types of all frames that came, without DATA. */
  readonly seen: Frame["type"][] = [];
  readonly goaway: Promise<{ lastGoodStreamId: number; status: number }>;
  readonly closed: Promise<void>;
  private readonly parser = new FrameParser();
  private readonly reader = new HeaderReader();
  private readonly deflater = new HeaderDeflater();
  private readonly streams = new Map<number, ClientStream>();
  private readonly opening = new Map<number, Opening>();
  private readonly pings = new Map<number, () => void>();
  private nextId = 1;
  private gone = false;
  private onGoaway!: (frame: { lastGoodStreamId: number; status: number }) => void;

  constructor(
    readonly connection: Duplex,
    head?: Buffer,
  ) {
    this.goaway = new Promise((resolve) => (this.onGoaway = resolve));
    this.closed = new Promise((resolve) => connection.once("close", () => resolve()));
    connection.on("error", () => {});
    connection.on("end", () => this.over("closed"));
    connection.on("close", () => this.over("closed"));
    connection.on("data", (chunk: Buffer) => this.receive(chunk));
    if (head?.length) this.receive(head);
  }

  /** Opens a stream and waits for the reply. Rejects when the server refuses it, with its RST status. */
  open(headers: Record<string, string>, { fin = false } = {}): Promise<ClientStream> {
    const id = this.nextId;
    this.nextId += 2;
    const frame = synStreamFrame(id, this.deflater.write(Object.entries(headers)), fin ? 1 : 0);
    return new Promise((resolve, reject) => {
      this.opening.set(id, { resolve, reject });
      void this.send(frame);
    });
  }

  /** The header block that the next SYN_STREAM or HEADERS frame must carry, for frames made by hand. */
  headerBlock(headers: Record<string, string>): Buffer {
    return this.deflater.write(Object.entries(headers));
  }

  /** Resolves with the echo. */
  ping(id = 1): Promise<void> {
    return new Promise((resolve) => {
      this.pings.set(id, resolve);
      void this.send(pingFrame(id));
    });
  }

  /** Writes bytes as they are; waits when the connection is full. */
  async send(bytes: Buffer): Promise<void> {
    if (!this.connection.destroyed && !this.connection.write(bytes)) {
      await Promise.race([once(this.connection, "drain"), this.closed]);
    }
  }

  /** Stops reading the connection, as a slow client; `resume` goes on. */
  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  /** Leaves as client-go does when it is done: GOAWAY, then the end of the connection. */
  async leave(): Promise<void> {
    await this.send(goawayFrame(0, 0));
    this.connection.end();
    await this.closed;
  }

  private receive(chunk: Buffer): void {
    for (const frame of this.parser.push(chunk)) this.handle(frame);
  }

  private handle(frame: Frame): void {
    if (this.gone) this.faults.push(`${frame.type} after GOAWAY`);
    if (frame.type !== "data") this.seen.push(frame.type);
    switch (frame.type) {
      case "synReply": {
        const headers = this.reader.read(frame.block);
        if (headers.size > 0) this.faults.push("SYN_REPLY with headers");
        const stream = new ClientStream(frame.streamId, this);
        this.streams.set(frame.streamId, stream);
        this.opening.get(frame.streamId)?.resolve(stream);
        this.opening.delete(frame.streamId);
        return;
      }
      case "data": {
        const stream = this.streams.get(frame.streamId);
        if (!stream) this.faults.push(`data for stream ${frame.streamId}, which is not open`);
        stream?.receive(frame.payload);
        if (frame.fin) stream?.end("fin");
        return;
      }
      case "rstStream": {
        const stream = this.streams.get(frame.streamId);
        if (stream) stream.resetStatus = frame.status;
        stream?.end("reset");
        this.opening.get(frame.streamId)?.reject(new Error(`refused with status ${frame.status}`));
        this.opening.delete(frame.streamId);
        return;
      }
      case "ping":
        if (frame.id % 2 === 0) void this.send(pingFrame(frame.id));
        this.pings.get(frame.id)?.();
        this.pings.delete(frame.id);
        return;
      case "goaway":
        this.gone = true;
        this.onGoaway(frame);
        this.over("goaway");
        return;
      case "headers":
      case "ignored":
      case "synStream":
        this.faults.push(`a ${frame.type} frame from the server`);
    }
  }

  private over(how: StreamEnd): void {
    for (const stream of this.streams.values()) stream.end(how);
    for (const { reject } of this.opening.values()) reject(new Error(`the session ended: ${how}`));
    this.opening.clear();
  }
}

export type Dialled =
  | { client: SpdyClient; status: 101; headers: IncomingHttpHeaders }
  | { client?: undefined; status: number; headers: IncomingHttpHeaders; body: string };

/** Upgrades a request to SPDY as client-go does. An answer other than 101 is returned with its body. */
export function dialSpdy(
  url: string,
  protocols: string[],
  { method = "POST", socketPath }: { method?: string; socketPath?: string } = {},
): Promise<Dialled> {
  const headers = { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": protocols };
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false, ...(socketPath ? { socketPath } : {}) });
    call.on("error", reject);
    call.on("upgrade", (response, socket, head) => {
      resolve({ client: new SpdyClient(socket, head), status: 101, headers: response.headers });
    });
    call.on("response", (response) => {
      const status = response.statusCode ?? 0;
      text(response).then((body) => resolve({ status, headers: response.headers, body }), reject);
    });
    call.end();
  });
}
