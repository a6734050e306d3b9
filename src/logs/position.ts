/**
 * How far a container's log is written, kept in one small file, so that a restart goes on where the last process
 * was. It is not written with every line: what was written after it is found out from the log's size (follower.ts).
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { FileIdentity } from "./identity.js";
import type { SourcePosition } from "./source.js";

/** The output of the source up to its offset, and `ahead` bytes of what comes after it, are in the destination. */
export interface Position {
  /** null before Docker has made a file. */
  source: SourcePosition | null;
  ahead: number;
  destination: FileIdentity & { size: number };
  /** The container has ended, and all that it wrote is in the destination. */
  done: boolean;
}

const version = 1;

/** @throws when the file cannot be read, or is not ours; undefined when there is none */
export function loadPosition(path: string): Position | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return parsePosition(JSON.parse(text));
}

/** Never half written: a process that is killed leaves the old position or the new one. */
export function savePosition(path: string, position: Position): void {
  const temporary = temporaryName(path);
  const text = JSON.stringify({ version, ...position }, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

export function makePositionFolder(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
}

export function removePosition(path: string): void {
  rmSync(temporaryName(path), { force: true });
  rmSync(path, { force: true });
}

const temporaryName = (path: string): string => `${path}.tmp`;

function parsePosition(value: unknown): Position {
  const fields = parseObject(value);
  if (fields.version !== version) throw new Error(`position of version ${String(fields.version)}`);
  const source = fields.source === null ? null : parseObject(fields.source);
  const destination = parseObject(fields.destination);
  if (typeof fields.done !== "boolean") throw new Error("position without done");
  return {
    source: source && { ...parseIdentity(source), offset: parseCount(source.offset) },
    ahead: parseCount(fields.ahead),
    destination: { ...parseIdentity(destination), size: parseCount(destination.size) },
    done: fields.done,
  };
}

function parseObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new Error("position of another shape");
  return value as Record<string, unknown>;
}

const parseIdentity = (fields: Record<string, unknown>): FileIdentity => ({
  ino: parseBigint(fields.ino),
  birth: parseBigint(fields.birth),
});

function parseCount(value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  throw new Error("position with a field that is no count");
}

function parseBigint(value: unknown): bigint {
  if (typeof value === "string" && /^\d+$/.test(value)) return BigInt(value);
  throw new Error("position with a field that is no number");
}
