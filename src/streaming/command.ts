/** What exec and attach see of a client, whatever it speaks. */
import type { Readable, Writable } from "node:stream";
import type { TerminalSize } from "../docker/engine.js";
import { messageOf } from "../errors.js";

/** What the RPC asked for; a terminal has no stderr of its own. */
export interface CommandWants {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export type CommandResult =
  | { kind: "exited"; code: number }
  /** It could not be run or watched to its end; the message is for the person at the client. */
  | { kind: "failed"; message: string };

/** Waits for a command's end and tells the client how that was. Never rejects. */
export async function conclude(client: CommandClient, command: Promise<CommandResult>): Promise<void> {
  const failed = (error: unknown): CommandResult => ({ kind: "failed", message: messageOf(error) });
  await client.finish(await command.catch(failed));
}

export interface CommandClient {
  /** Ends when the client has ended its input; undefined when none was asked for, as with the others. */
  stdin: Readable | undefined;
  stdout: Writable | undefined;
  stderr: Writable | undefined;
  /** Calls back for each size that the client reports, the last one that came before included. */
  onResize(listener: (size: TerminalSize) => void): void;
  /** Fires when the client has gone before the end. */
  gone: AbortSignal;
  /** Delivers what is still on its way, tells how it ended, and closes. Never rejects; call it once. */
  finish(result: CommandResult): Promise<void>;
}
