/**
 * One container's log: from Docker's files to the CRI file, every line exactly once.
 *
 * That survives a SIGKILL without a position being written with every line, because conversion is a function of
 * the source's bytes alone. The saved position says where the output of the source up to some offset ended in the
 * destination. What the destination has beyond that is the beginning of what follows, so it is converted again,
 * compared, and not written. For that to hold, all output since the last save has to come from one source file
 * and be in one destination: the position is saved whenever either changes.
 */
import { CriError, messageOf } from "../errors.js";
import { convert } from "./convert.js";
import { Destination, removeFile } from "./destination.js";
import { lineFeed } from "./escapes.js";
import type { FileIdentity } from "./identity.js";
import type { Counters, Reporter } from "./messages.js";
import { Overlap } from "./overlap.js";
import { makePositionFolder, removePosition, savePosition } from "./position.js";
import { findOverlap, hasMore, readPosition } from "./resume.js";
import { Source, type Gap } from "./source.js";

/** more: there is more to do at once; idle: not before Docker writes again; stalled: try again later. */
export type Outcome = "more" | "idle" | "stalled";

export interface FollowerFiles {
  /** Docker's json-file. */
  source: string;
  /** The CRI log. */
  path: string;
  positionFile: string;
}

/**
 * Space for one turn, which all followers of a thread share. The input's length is how much a turn reads, and
 * must be twice what an entry can have: 16 KiB of text in escapes of six bytes, and its attributes.
 */
export interface TurnBuffers {
  input: Buffer;
  output: Buffer;
}

export const makeTurnBuffers = (bytes = 256 * 1024): TurnBuffers => ({
  input: Buffer.allocUnsafeSlow(bytes),
  output: Buffer.allocUnsafeSlow(bytes),
});

/** After so much of the source the position is saved: what a restart has to convert again. */
const savedEvery = 4 * 1024 * 1024;

export class Follower {
  readonly counters: Counters = { lines: 0, bytes: 0, gaps: 0, damaged: 0 };
  readonly #files: FollowerFiles;
  readonly #buffers: TurnBuffers;
  readonly #report: Reporter;
  readonly #source: Source;
  #destination: Destination | undefined;
  #identity: FileIdentity | undefined;
  readonly #overlap = new Overlap();
  #unsaved = 0;
  #mustSave = false;
  #stalled = false;
  #finishing = false;
  #done = false;

  constructor(files: FollowerFiles, buffers: TurnBuffers, report: Reporter) {
    this.#files = files;
    this.#buffers = buffers;
    this.#report = report;
    this.#source = new Source(files.source);
  }

  /** True when the container has ended and its log is complete. */
  get done(): boolean {
    return this.#done;
  }

  /** True while the log cannot be written. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** What Docker has written and the log does not have yet; a stat or two. */
  get behindBytes(): number {
    return this.#source.behindBytes;
  }

  /** Opens the files where the last process left off. A log that was complete then is not touched. */
  start(): void {
    makePositionFolder(this.#files.positionFile);
    const position = readPosition(this.#files.positionFile, this.#report);
    this.#identity = position?.destination;
    if (position?.done && !hasMore(this.#files.source, position)) {
      this.#done = true;
      return;
    }
    const destination = Destination.atStart(this.#files.path);
    this.#use(destination);
    findOverlap(this.#overlap, position, destination, this.#files.path, this.#report);
    this.#note(this.#source.open(position?.source ?? null));
    this.#mustSave = true;
  }

  /** Converts one buffer of the source at most. */
  step(): Outcome {
    try {
      const outcome = this.#turn();
      if (this.#stalled && outcome !== "stalled") this.#report("resumed", "written again", 1);
      this.#stalled = outcome === "stalled";
      return outcome;
    } catch (error) {
      return this.#stall(error);
    }
  }

  /** From now on the end of the source is the log's end; steps lead there. */
  finish(): void {
    this.#finishing = true;
  }

  /** CRI, ReopenContainerLog: what is written after it goes to a file that is opened anew; on an error to the old one. */
  reopen(): void {
    const old = this.#destination;
    if (!old) throw new CriError("failedPrecondition", "the container's log is complete");
    // Nothing is torn at the end of a file that is left, and what is found there is not compared any more.
    this.#overlap.set(this.#overlap.bytes - old.trim());
    const reopened = Destination.reopened(this.#files.path);
    try {
      this.#use(reopened);
      this.#save();
    } catch (error) {
      this.#use(old);
      reopened.close();
      if (reopened.made) removeFile(this.#files.path, reopened.identity);
      throw error;
    }
    old.close();
  }

  /** True when there may be something to do although nothing was heard; one stat. */
  changed(): boolean {
    return !this.#done && this.#source.changed();
  }

  /** Saves the position if there is anything new to it; a failure is reported, and left to the next time. */
  saveIfNeeded(): void {
    if (this.#unsaved === 0) return;
    try {
      this.#save();
    } catch (error) {
      this.#report("position", `not saved: ${messageOf(error)}`, 1);
    }
  }

  /** Closes all files. The position is not saved. */
  close(): void {
    this.#source.close();
    this.#destination?.close();
    this.#destination = undefined;
  }

  /** The container is removed: so are its position and the log, unless another file has the log's name by now. */
  forget(): void {
    this.close();
    if (this.#identity) removeFile(this.#files.path, this.#identity);
    removePosition(this.#files.positionFile);
  }

  #turn(): Outcome {
    if (this.#done) return "idle";
    const isFirst = this.#source.position === null;
    this.#note(this.#source.look());
    // The first file is a next file as well: nothing of it is written before the position names it.
    if (isFirst && this.#source.position !== null) this.#mustSave = true;
    if (this.#mustSave) this.#save();
    if (this.#source.exhausted) return this.#atEnd(0);
    const { input, output } = this.#buffers;
    const length = this.#source.read(input);
    const converted = convert(input.subarray(0, length), output);
    if (converted.consumed === 0) return this.#withoutLine(length);
    if (!this.#write(converted.output, converted.lines)) return "stalled";
    this.#consume(converted.consumed, converted.damaged);
    return this.#source.exhausted ? this.#atEnd(0) : "more";
  }

  #consume(bytes: number, damaged: number): void {
    this.#source.consume(bytes);
    this.#unsaved += bytes;
    if (damaged > 0) {
      this.counters.damaged += damaged;
      this.#report("damaged", "entries that Docker did not write to their ends", damaged);
    }
    if (this.#unsaved >= savedEvery) this.saveIfNeeded();
  }

  /** There are `length` bytes behind the position, and no line feed in them. */
  #withoutLine(length: number): Outcome {
    if (length === this.#buffers.input.length) {
      // No entry is as long: zeros after a power failure. One that ends the line is not in the first half.
      this.#consume(length / 2, 1);
      return "more";
    }
    if (!this.#source.complete) return this.#atEnd(length);
    if (length > 0) this.#consume(length, 1);
    if (this.#overlap.bytes > 0) this.#distrust();
    this.#source.advance();
    this.#mustSave = true;
    this.#save();
    return "more";
  }

  #atEnd(length: number): Outcome {
    if (this.#overlap.unknown) {
      this.#note({ detail: "the log's last line is not in Docker's files", restarted: true });
      this.#source.open(null);
      return "more";
    }
    if (!this.#finishing) return "idle";
    if (length > 0) this.#consume(length, 1);
    if (this.#overlap.bytes > 0) this.#distrust();
    this.#done = true;
    try {
      this.#save();
    } catch (error) {
      this.#done = false;
      throw error;
    }
    this.close();
    return "idle";
  }

  /** @returns false when not all of it could be written; the rest is tried again with the same chunk */
  #write(output: Buffer, lines: number): boolean {
    const destination = this.#destination!;
    const written = this.#overlap.within(output, destination) ?? this.#distrust();
    const rest = output.subarray(written);
    if (rest.length > 0) {
      const { bytes, error } = destination.append(rest);
      this.counters.bytes += bytes;
      this.counters.lines += bytes === output.length ? lines : countLines(rest.subarray(0, bytes));
      if (error) {
        this.#overlap.set(written + bytes);
        this.#stall(error);
        return false;
      }
    }
    this.#overlap.pass(written);
    return true;
  }

  /** The log has at its end what no source explains. Lines twice are better than lines lost. */
  #distrust(): number {
    this.#report("destination", "the log's end is not what Docker's files say; lines may be there twice", 1);
    this.#forgetOverlap();
    return 0;
  }

  #note(gap: Gap | undefined): void {
    if (!gap) return;
    this.counters.gaps += 1;
    this.#report("gap", gap.detail, 1);
    if (gap.restarted) this.#forgetOverlap();
  }

  /** What is read next has nothing to do with what the destination has at its end. */
  #forgetOverlap(): void {
    this.#destination?.trim();
    this.#overlap.set(0);
    this.#mustSave = true;
  }

  #use(destination: Destination): void {
    this.#destination = destination;
    this.#identity = destination.identity;
  }

  #save(): void {
    const destination = this.#destination;
    if (!destination || this.#overlap.unknown) return;
    const { bytes, unchecked } = this.#overlap;
    savePosition(this.#files.positionFile, {
      source: this.#source.position,
      ahead: bytes - unchecked,
      destination: { ...destination.identity, size: destination.size - unchecked },
      done: this.#done,
    });
    this.#unsaved = 0;
    this.#mustSave = false;
  }

  #stall(error: unknown): Outcome {
    if (!this.#stalled) this.#report("stalled", messageOf(error), 1);
    this.#stalled = true;
    return "stalled";
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) lines += 1;
  return lines;
}
