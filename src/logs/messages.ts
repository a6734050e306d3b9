/** What the server and its log thread tell each other. */
import type { ErrorKind } from "../errors.js";

export interface FollowOptions {
  /** The container. */
  id: string;
  /** Where Docker keeps the container's json-files, `<id>-json.log` and the rotated ones. */
  sourceDirectory: string;
  /** The CRI log. */
  path: string;
  /** Where the thread keeps how far the log is written. */
  positionFile: string;
}

export type LogAction =
  | ({ action: "follow" } & FollowOptions)
  | { action: "reopen" | "finish" | "forget"; id: string }
  | { action: "progress" | "stop" };

/** `request` is a number that comes back with the answer. */
export type LogRequest = LogAction & { request: number };

export type LogAnswer =
  | { request: number; ok: true; progress?: LogProgress }
  | { request: number; ok: false; error: string; kind: ErrorKind };

/** Sums over all containers since the thread started. */
export interface Counters {
  lines: number;
  bytes: number;
  gaps: number;
  damaged: number;
}

/** How far the logs are. */
export interface LogProgress extends Counters {
  /** Logs that are being written: those of containers whose last line is not in there yet. */
  followed: number;
  /** Of these, the ones that cannot be written at the moment. */
  stalled: number;
  /** Bytes of Docker's files, in Docker's format, that are still to be written. */
  behindBytes: number;
}

/**
 * - gap: text that Docker has removed before it was read, or may have
 * - damaged: entries that Docker did not write to their ends; the count is theirs
 * - stalled, resumed: the log cannot be written, and can again
 * - position: it cannot be read or saved
 * - destination: the log is not as it was left
 * - watch: no file system events, so changes are noticed within seconds only
 * - restarted: the thread has died and was started again
 */
export type LogReportKind = LogTrouble | "watch" | "restarted";
export type LogTrouble = "gap" | "damaged" | "stalled" | "resumed" | "position" | "destination";

export interface LogReport {
  /** The container; empty when it is all of them. */
  id: string;
  what: LogReportKind;
  detail: string;
  count: number;
}

export type LogReply = LogAnswer | { report: LogReport };

/** What a follower has to tell about its container. */
export type Reporter = (what: LogTrouble, detail: string, count: number) => void;
