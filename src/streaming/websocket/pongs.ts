import { WebSocket } from "ws";

/**
 * Answers pings. Of those that come while an answer waits to be written only the last is answered (RFC 6455,
 * 5.5.3), so a client that sends pings and reads nothing costs no memory.
 */
export class Pongs {
  #underWay = false;
  #next: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly webSocket: WebSocket,
    private readonly interval: number,
  ) {
    webSocket.on("ping", (data) => this.#send(data));
  }

  sendUnasked(): void {
    this.#timer ??= setInterval(() => this.#send(Buffer.alloc(0)), this.interval);
  }

  stopUnasked(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #send(data: Buffer): void {
    if (this.webSocket.readyState !== WebSocket.OPEN) return;
    if (this.#underWay) {
      // A copy: data is a part of what the socket has read, and would keep all that.
      this.#next = Buffer.from(data);
      return;
    }
    this.#underWay = true;
    this.webSocket.pong(data, false, () => {
      this.#underWay = false;
      const next = this.#next;
      this.#next = undefined;
      if (next) this.#send(next);
    });
  }
}
