/** A client of exec and attach for tests, the same over SPDY and over WebSocket. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { WebSocket } from "ws";
import { dialSpdy } from "./spdy-client.js";

export type Transport = "spdy" | "websocket";
export const transports: Transport[] = ["spdy", "websocket"];

export interface Wants {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  tty?: boolean;
}

/** What metav1.Status tells of a command's end. */
export interface Status {
  status: string;
  message?: string;
  reason?: string;
  details?: { causes: { reason?: string; message: string }[] };
}

export interface CommandSession {
  write(data: string | Buffer): Promise<void>;
  endStdin(): Promise<void>;
  resize(width: number, height: number): Promise<void>;
  /** All that came and comes, to its end. Call one of these once for each stream. */
  text(stream: "stdout" | "stderr"): Promise<string>;
  digest(stream: "stdout" | "stderr"): Promise<{ bytes: number; sha256: string }>;
  /** Calls back with all text so far, whenever there is more. */
  follow(stream: "stdout" | "stderr", look: (text: string) => void): void;
  status: Promise<Status>;
  /** Stops reading, as a client that has no time. */
  pause(): void;
  resume(): void;
  /** The connection is gone, without a word. */
  vanish(): void;
}

export const openCommand = (url: string, transport: Transport, wants: Wants): Promise<CommandSession> =>
  transport === "spdy" ? overSpdy(url, wants) : overWebSocket(url);

async function overSpdy(url: string, wants: Wants): Promise<CommandSession> {
  const { client, ...refused } = await dialSpdy(url, ["v4.channel.k8s.io"]);
  assert.ok(client, `refused: ${JSON.stringify(refused)}`);
  const open = (streamtype: string) => client.open({ streamtype });
  const [error, stdin, stdout, stderr, resize] = [
    await open("error"),
    wants.stdin ? await open("stdin") : undefined,
    wants.stdout ? await open("stdout") : undefined,
    wants.stderr ? await open("stderr") : undefined,
    wants.tty ? await open("resize") : undefined,
  ];
  const output = { stdout, stderr };
  const status = error.collect().then(async (text) => {
    await Promise.all([stdout?.ended, stderr?.ended]);
    await client.leave();
    return JSON.parse(String(text)) as Status;
  });
  return {
    write: async (data) => stdin?.write(data),
    endStdin: async () => stdin?.fin(),
    resize: async (Width, Height) => resize?.write(JSON.stringify({ Width, Height })),
    text: async (stream) => String(await output[stream]?.collect()),
    digest: async (stream) => (await output[stream]?.digest()) ?? assert.fail(`no ${stream}`),
    follow: (stream, look) => {
      let text = "";
      output[stream]?.onData((data) => look((text += String(data))));
    },
    status,
    pause: () => client.pause(),
    resume: () => client.resume(),
    vanish: () => client.connection.destroy(),
  };
}

/** What comes on a channel, kept until somebody asks. */
class Channel {
  readonly #kept: Buffer[] = [];
  #take: ((data: Buffer) => void) | undefined;

  receive(data: Buffer): void {
    if (this.#take) this.#take(data);
    else this.#kept.push(data);
  }

  onData(take: (data: Buffer) => void): void {
    this.#take = take;
    for (const data of this.#kept.splice(0)) take(data);
  }
}

async function overWebSocket(url: string): Promise<CommandSession> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), ["v5.channel.k8s.io"]);
  const channels = Array.from({ length: 5 }, () => new Channel());
  const ended = once(socket, "close") as Promise<[number]>;
  socket.on("message", (data: Buffer) => channels[data[0] ?? 0]?.receive(data.subarray(1)));
  await once(socket, "open");
  socket.on("error", () => undefined);

  const send = (channel: number, data: string | Buffer): Promise<void> =>
    new Promise((resolve, reject) =>
      socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(data)]), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  const channelOf = (stream: "stdout" | "stderr") => channels[stream === "stdout" ? 1 : 2] ?? assert.fail();
  const collect = async (channel: Channel): Promise<Buffer> => {
    const parts: Buffer[] = [];
    channel.onData((data) => parts.push(data));
    await ended;
    return Buffer.concat(parts);
  };
  const errorChannel = channels[3] ?? assert.fail();
  const status = collect(errorChannel).then(async (text) => {
    const [code] = await ended;
    assert.equal(code, 1000, "the connection ended without a Close that says that all is there");
    return JSON.parse(String(text)) as Status;
  });
  return {
    write: async (data) => {
      const bytes = Buffer.from(data);
      for (let at = 0; at < bytes.length; at += 32_768) await send(0, bytes.subarray(at, at + 32_768));
    },
    endStdin: () => send(255, Buffer.from([0])),
    resize: (Width, Height) => send(4, JSON.stringify({ Width, Height })),
    text: async (stream) => String(await collect(channelOf(stream))),
    digest: async (stream) => {
      const hash = createHash("sha256");
      let bytes = 0;
      channelOf(stream).onData((data) => {
        bytes += data.length;
        hash.update(data);
      });
      await ended;
      return { bytes, sha256: hash.digest("hex") };
    },
    follow: (stream, look) => {
      let text = "";
      channelOf(stream).onData((data) => look((text += String(data))));
    },
    status,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    vanish: () => socket.terminate(),
  };
}

export const success: Status = { status: "Success" };

/** The exit code that a status tells; undefined when it tells none. */
export const exitCodeIn = ({ status, reason, details }: Status): number | undefined => {
  if (status === "Success") return 0;
  const code = reason === "NonZeroExitCode" ? details?.causes[0]?.message : undefined;
  return code === undefined ? undefined : Number(code);
};
