/** A client of exec and attach without a transport: what it says is up to the test, what it hears is kept. */
import { PassThrough, type Readable } from "node:stream";
import type { TerminalSize } from "../../../src/docker/engine.js";
import type { CommandClient, CommandResult, CommandWants } from "../../../src/streaming/command.js";

export const everything: CommandWants = { stdin: true, stdout: true, stderr: true, tty: false };
export const terminal: CommandWants = { stdin: true, stdout: true, stderr: false, tty: true };

export class FakeClient implements CommandClient {
  readonly stdin: PassThrough | undefined;
  readonly stdout: PassThrough | undefined;
  readonly stderr: PassThrough | undefined;
  readonly gone: AbortSignal;
  /** What it was told in the end, each time that it was told. */
  readonly results: CommandResult[] = [];
  /** Resolves when it is told how all ended. */
  readonly result: Promise<CommandResult>;
  readonly #gone = new AbortController();
  #tell!: (result: CommandResult) => void;
  #latest: TerminalSize | undefined;
  #listener: ((size: TerminalSize) => void) | undefined;

  /** @param buffered bytes of output that wait for it before it counts as slow */
  constructor(wants: CommandWants, buffered = 65_536) {
    const open = (wanted: boolean) =>
      wanted ? new PassThrough({ highWaterMark: buffered }).on("error", () => undefined) : undefined;
    this.stdin = open(wants.stdin);
    this.stdout = open(wants.stdout);
    this.stderr = open(wants.stderr);
    this.gone = this.#gone.signal;
    this.result = new Promise((resolve) => (this.#tell = resolve));
  }

  onResize(listener: (size: TerminalSize) => void): void {
    this.#listener = listener;
    if (this.#latest) listener(this.#latest);
  }

  finish(result: CommandResult): Promise<void> {
    this.stdout?.end();
    this.stderr?.end();
    this.results.push(result);
    this.#tell(result);
    return Promise.resolve();
  }

  resize(width: number, height: number): void {
    this.#latest = { width, height };
    this.#listener?.(this.#latest);
  }

  /** Vanishes, as a broken connection does: with its streams. */
  leave(): void {
    const reason = new Error("the client has gone");
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream?.destroy(reason);
    this.#gone.abort(reason);
  }
}

/** What it hears on a stream, to its end. */
export async function heard(stream: Readable | undefined): Promise<string> {
  const parts: Buffer[] = [];
  for await (const data of stream ?? []) parts.push(data as Buffer);
  return Buffer.concat(parts).toString();
}
