import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { Inactivity } from "../inactivity.js";
import { Pongs } from "./pongs.js";

export interface ConnectionTimes {
  /** Without a message read or written until the connection is ended; pings do not count; 0 for never. */
  idleTimeout: number;
  /** That `finish` waits for a client that takes nothing more; 15 minutes, or less if idleTimeout is. */
  lingerTimeout?: number | undefined;
  /** For a client to close when the connection was ended otherwise, and for what it sent to be read; 10 seconds. */
  closeTimeout?: number | undefined;
  /** Between pongs that nobody asked for, while nothing is read; 15 seconds. */
  pongInterval?: number | undefined;
}

export interface ConnectionEvents {
  message(data: Buffer, isBinary: boolean): void;
  /** Once: the client sends nothing more and gets nothing more. Without an error it said so itself. */
  ended(error?: Error): void;
}

/**
 * A WebSocket with the client's pace in both directions, and an end that loses nothing.
 *
 * Who cannot take messages pauses it. Then pings are not read either, and client-go gives a connection up that
 * has brought it no pong for 61 s; so pongs are sent meanwhile without having been asked for, which RFC 6455,
 * 5.5.3, allows and client-go counts. They also find out whether the client is still there. What cannot be
 * helped: a client that takes no output for 61 s, although pings are answered, finds the pong behind it.
 */
export class WebSocketConnection {
  /** Resolves when the socket is closed; never rejects. */
  readonly closed: Promise<void>;
  readonly #pongs: Pongs;
  readonly #pausedBy = new Set<object>();
  #patience: Inactivity;
  /**
   * open > finishing (what comes is dropped) > closing (our Close is out) > ended; straight to ended when it is
   * the client that closes, or anything that breaks
   */
  #phase: "open" | "finishing" | "closing" | "ended" = "open";
  #unsent = 0;
  #allSent: (() => void) | undefined;

  constructor(
    private readonly webSocket: WebSocket,
    socket: Duplex,
    private readonly times: ConnectionTimes,
    private readonly events: ConnectionEvents,
  ) {
    this.#pongs = new Pongs(webSocket, times.pongInterval ?? 15_000);
    this.#patience = new Inactivity(times.idleTimeout, () =>
      this.fail(1001, "nothing was sent or received for the idle timeout"),
    );
    webSocket.on("message", (data, isBinary) => {
      if (this.#phase !== "open") return;
      this.#patience.noteActivity();
      // A Buffer, unless ws was told otherwise by `binaryType`.
      this.events.message(data as Buffer, isBinary);
    });
    webSocket.on("error", (error) => this.#end(error));
    // ws tells of a Close only when the socket has closed as well; its state shows it at once.
    socket.on("data", () => {
      if (this.#awaitsMore && webSocket.readyState !== WebSocket.OPEN) this.#end();
    });
    socket.once("end", () => {
      if (!this.#awaitsMore) return;
      this.#end(new Error("the client left without a Close"));
      webSocket.terminate();
    });
    this.closed = new Promise((resolve) => {
      webSocket.once("close", (code) => {
        this.#end(code === 1006 ? new Error("the connection was lost") : undefined);
        this.#patience.stop();
        this.#allSent?.();
        resolve();
      });
    });
  }

  /** @param done called when the kernel has taken it all, or with the reason why that will never be */
  send(message: Buffer | string, done: (error?: Error) => void = () => undefined): void {
    this.#unsent++;
    this.#patience.noteActivity();
    this.webSocket.send(message, (error) => {
      this.#unsent--;
      if (!error) this.#patience.noteActivity();
      done(error ?? undefined);
      if (this.#unsent === 0) this.#allSent?.();
    });
  }

  /** Stops reading until everyone who called this has called `resume`. */
  pause(holder: object): void {
    if (this.#phase !== "open") return;
    this.#pausedBy.add(holder);
    this.webSocket.pause();
    this.#pongs.sendUnasked();
  }

  resume(holder: object): void {
    if (this.#pausedBy.delete(holder) && this.#pausedBy.size === 0) this.#readOn();
  }

  /** Ends it because the client broke the protocol, or for another reason that is no success. */
  fail(code: number, reason: string): void {
    if (this.#phase !== "open") return;
    this.webSocket.close(code, reason);
    this.#end(new Error(reason));
  }

  /** Nothing is wanted of the client any more; what it still sends is dropped, pings are answered. */
  beginFinish(): void {
    if (this.#phase !== "open") return;
    this.#phase = "finishing";
    this.#patience.stop();
    this.#patience = new Inactivity(this.#lingerTimeout, () => this.webSocket.terminate());
    this.#readOn();
  }

  /**
   * The orderly end: waits until everything is sent, sends Close 1000, which alone tells clients that they have
   * it all, and reads on until the client has closed. Closing with unread bytes would make the kernel take back
   * what the client has not read yet. Since no ping is answered after the Close, it does not queue behind output.
   */
  async finish(): Promise<void> {
    this.beginFinish();
    if (this.#unsent > 0) await new Promise<void>((resolve) => (this.#allSent = resolve));
    if (this.#phase === "finishing") {
      this.#phase = "closing";
      this.webSocket.close(1000);
    }
    await this.closed;
  }

  /** Breaks off, if it is not over: what the client has not taken yet is lost. */
  terminate(): void {
    if (this.#phase !== "ended") this.webSocket.terminate();
  }

  get #awaitsMore(): boolean {
    return this.#phase === "open" || this.#phase === "finishing";
  }

  get #lingerTimeout(): number {
    const { idleTimeout, lingerTimeout = 15 * 60_000 } = this.times;
    return idleTimeout > 0 ? Math.min(idleTimeout, lingerTimeout) : lingerTimeout;
  }

  #end(error?: Error): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#patience.stop();
    this.#patience = new Inactivity(this.times.closeTimeout ?? 10_000, () => this.webSocket.terminate());
    this.#readOn();
    this.events.ended(error);
  }

  #readOn(): void {
    this.#pausedBy.clear();
    this.#pongs.stopUnasked();
    this.webSocket.resume();
  }
}
