import {
  FLAG,
  FRAME,
  FRAME_HEADER_LENGTH,
  FRAME_SIZE_LIMIT,
  frameHeaderAt,
  headerBlockAt,
} from "./frames.js";
import { AuthorityPatcher, type BlockResult } from "./hpack.js";

/** What every HTTP/2 client says first (RFC 7540 section 3.5). */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The frames that a client may send before its first request and that need no answer but to SETTINGS. */
const OPENING_FRAMES: ReadonlySet<number> = new Set([FRAME.settings, FRAME.priority, FRAME.windowUpdate]);

/** Chunks are joined when so many are held, lest a client that sends single octets cost far more than them. */
const CHUNKS_HELD = 256;

/**
 * What is known of a connection: "undecided" before the first header block, "unacknowledged" when that block
 * needs no rewriting but our SETTINGS have no answer yet, "transparent" when the client's bytes can go their
 * way unread from here on, "rewriting" when they cannot.
 */
export type Verdict = "undecided" | "unacknowledged" | "transparent" | "rewriting";

/**
 * The bytes of one connection from client to server, as the server should see them: with '-' for each '/' of
 * an :authority, and without the acknowledgement of the SETTINGS frame that was sent on the server's behalf
 * (the first one, since acknowledgements keep their order: RFC 7540 section 6.5.3).
 *
 * Frames keep their boundaries and bodies pass without a copy. Once something is malformed, everything passes
 * as it is: the server answers for it.
 */
export class ClientBytes {
  readonly #patcher = new AuthorityPatcher();
  /** Bytes that wait for more: the preface, a frame header, or a header block that is not complete. */
  #held: Buffer[] = [];
  #heldLength = 0;
  /** How many bytes there must be before another look at them can tell more. */
  #wanted = 1;
  /** Bytes of the current frame's payload that are still to come, and may pass. */
  #passing = 0;

  #greeted = false;
  #serverAsked = false;
  #acknowledged = false;
  #firstBlock: BlockResult | undefined;
  #gaveUp = false;

  /** Whether the client has shown that it speaks HTTP/2. */
  get greeted(): boolean {
    return this.#greeted;
  }

  get verdict(): Verdict {
    if (this.#gaveUp) return "transparent";
    if (this.#firstBlock === "rewritten") return "rewriting";
    // PING wants an answer, and whatever else does not belong before a request wants a refusal: the server's part.
    if (this.#firstBlock === undefined) return this.#serverAsked ? "rewriting" : "undecided";
    return this.#acknowledged ? "transparent" : "unacknowledged";
  }

  /** Takes what the client sent and returns what the server may have of it; owns and may change the chunk. */
  push(chunk: Buffer): Buffer[] {
    if (this.#gaveUp) return [chunk];
    if (chunk.length <= this.#passing) {
      this.#passing -= chunk.length;
      return [chunk];
    }
    this.#hold(chunk);
    if (this.#heldLength < this.#wanted) return [];
    const [bytes = chunk] = this.#held.length === 1 ? this.#held : [Buffer.concat(this.#held)];
    this.#held = [];
    this.#heldLength = 0;
    this.#wanted = 1;
    return this.#scan(bytes);
  }

  /** Returns what was held back, and from here on holds and changes nothing. */
  release(): Buffer[] {
    const held = this.#held;
    this.#held = [];
    this.#heldLength = 0;
    this.#gaveUp = true;
    return held;
  }

  /** Passes what can be judged, from the start of a frame, of its payload, or of the preface. */
  #scan(bytes: Buffer): Buffer[] {
    const passed: Buffer[] = [];
    let from = 0;
    let at = this.#passing;
    this.#passing = 0;
    if (!this.#greeted) {
      if (!PREFACE.subarray(0, bytes.length).equals(bytes.subarray(0, PREFACE.length)))
        return this.#giveUp(bytes);
      if (bytes.length < PREFACE.length) return this.#wait(bytes, bytes.length + 1);
      this.#greeted = true;
      at = PREFACE.length;
    }

    while (at < bytes.length) {
      const frame = frameHeaderAt(bytes, at);
      if (!frame) {
        this.#wait(bytes.subarray(at), FRAME_HEADER_LENGTH);
        break;
      }
      if (frame.type === FRAME.headers) {
        const block = headerBlockAt(bytes, at);
        if (block.kind === "incomplete") {
          this.#wait(bytes.subarray(at), block.wanted);
          break;
        }
        const result = block.kind === "complete" ? this.#patch(block.fragments) : "malformed";
        if (block.kind === "malformed" || result === "malformed") {
          return [...passed, ...this.#giveUp(bytes.subarray(from))];
        }
        this.#firstBlock ??= result;
        at = block.end;
        continue;
      }

      if (frame.length > FRAME_SIZE_LIMIT) return [...passed, ...this.#giveUp(bytes.subarray(from))];
      if (!OPENING_FRAMES.has(frame.type)) this.#serverAsked = true;
      if (
        !this.#acknowledged &&
        frame.type === FRAME.settings &&
        frame.flags & FLAG.ack &&
        frame.length === 0
      ) {
        this.#acknowledged = true;
        if (at > from) passed.push(bytes.subarray(from, at));
        from = at + FRAME_HEADER_LENGTH;
      }
      at += FRAME_HEADER_LENGTH + frame.length;
    }

    // Behind the loop, `at` is either the start of what is held or the end of the frame that the bytes end in.
    const end = Math.min(at, bytes.length);
    if (end > from) passed.push(bytes.subarray(from, end));
    if (at > bytes.length) this.#passing = at - bytes.length;
    return passed;
  }

  #patch(fragments: readonly Buffer[]): BlockResult {
    const [only] = fragments;
    if (only && fragments.length === 1) return this.#patcher.patch(only);
    const block = Buffer.concat(fragments);
    const result = this.#patcher.patch(block);
    let offset = 0;
    for (const fragment of fragments) offset += block.copy(fragment, 0, offset, offset + fragment.length);
    return result;
  }

  #hold(chunk: Buffer): void {
    if (this.#held.length >= CHUNKS_HELD) this.#held = [Buffer.concat(this.#held)];
    this.#held.push(chunk);
    this.#heldLength += chunk.length;
  }

  #wait(bytes: Buffer, wanted: number): Buffer[] {
    this.#hold(bytes);
    this.#wanted = wanted;
    return [];
  }

  #giveUp(bytes: Buffer): Buffer[] {
    this.#gaveUp = true;
    return [bytes];
  }
}
