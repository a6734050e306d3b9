import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.js";
import { CriError } from "../errors.js";

/** 128 bits: a token is all that a client of the streaming server shows. */
const tokenBytes = 16;
const lifetimeNanos = 60_000_000_000n;
const mostInFlight = 1000;

/** Single-use names for what an RPC has allowed, from its reply to the connection that follows it. */
export class Tokens<T> {
  readonly #held = new Map<string, { value: T; expires: bigint }>();

  constructor(private readonly clock: Pick<Clock, "now">) {}

  /** @throws CriError exhausted when 1000 tokens wait for their connection */
  issue(value: T): string {
    const now = this.clock.now();
    for (const [token, { expires }] of this.#held) if (expires < now) this.#held.delete(token);
    if (this.#held.size >= mostInFlight) {
      throw new CriError("exhausted", `${mostInFlight} streaming requests wait for their connection already`);
    }
    const token = randomBytes(tokenBytes).toString("base64url");
    this.#held.set(token, { value, expires: now + lifetimeNanos });
    return token;
  }

  /** What the token stands for; undefined when it is unknown, used or older than 60 s. It is used then. */
  take(token: string): T | undefined {
    const found = this.#held.get(token);
    this.#held.delete(token);
    return found && found.expires >= this.clock.now() ? found.value : undefined;
  }
}
