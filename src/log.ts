import winston from "winston";

export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

type Fields = Record<string, unknown>;
/** Or how to get them, for a line that is mostly not written. */
type LazyFields = Fields | (() => Fields);

export const fieldsOf = (fields: LazyFields): Fields => (typeof fields === "function" ? fields() : fields);

/** What the program needs of a logger: an event, its fields, and children that add fields of their own. */
export interface Log {
  error(event: string, fields?: LazyFields): void;
  warn(event: string, fields?: LazyFields): void;
  info(event: string, fields?: LazyFields): void;
  debug(event: string, fields?: LazyFields): void;
  child(fields: Fields): Log;
}

/** Field values that must never reach a log, whatever object they arrive in. */
const secret = /^(auth|password|.*token|envs?|registryauth|authconfig)$/i;

/** A field's value as one log word: bare when simple, JSON otherwise; errors as their message. */
export function formatField(key: string, value: unknown): string {
  if (secret.test(key)) return `${key}=<redacted>`;
  if (value instanceof Error) return `${key}=${JSON.stringify(value.message)}`;
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") {
    return `${key}=${value}`;
  }
  if (typeof value === "string")
    return /^[\w./:@-]+$/.test(value) ? `${key}=${value}` : `${key}=${JSON.stringify(value)}`;
  return `${key}=${JSON.stringify(value, toLoggable) ?? "undefined"}`;
}

/** For JSON.stringify: without secrets, and with the numbers that JSON has no form for. */
const toLoggable = (key: string, value: unknown): unknown =>
  secret.test(key) ? "<redacted>" : typeof value === "bigint" ? value.toString() : value;

/** One line: time, level, event, then the fields as key=value. */
const line = winston.format.printf(({ timestamp, level, message, ...fields }) => {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => formatField(key, value));
  return [timestamp, level.toUpperCase().padEnd(5), message, ...words].join(" ");
});

/** A logger to standard error, where service managers collect it. */
export function makeLog(level: LogLevel): Log {
  const logger = winston.createLogger({
    level,
    format: winston.format.combine(winston.format.timestamp(), line),
    transports: [new winston.transports.Console({ stderrLevels: [...logLevels] })],
  });
  const enabled = new Set(logLevels.slice(0, logLevels.indexOf(level) + 1));
  return writingTo(logger, enabled, {});
}

/** winston would format a line of any level before it drops it, and a line is due for each RPC. */
function writingTo(logger: winston.Logger, enabled: ReadonlySet<LogLevel>, own: Fields): Log {
  const write =
    (level: LogLevel) =>
    (event: string, fields: LazyFields = {}) => {
      if (enabled.has(level)) logger.log(level, event, { ...own, ...fieldsOf(fields) });
    };
  return {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    child: (fields) => writingTo(logger, enabled, { ...own, ...fields }),
  };
}
