/** Where a container's log is (pure). */
import { isAbsolute, join, normalize } from "node:path/posix";
import { CriError } from "../errors.js";

/** @param field the directory's place in the request, for errors */
export function parseLogDirectory(directory: string, field: string): string {
  if (directory === "" || isAbsolute(directory)) return directory;
  throw new CriError("invalid", `${field} ${JSON.stringify(directory)} is not an absolute path`);
}

/**
 * CRI: a log's full path is the sandbox's log_directory joined with the container's log_path; without
 * either there is no log, and the path is empty.
 */
export function toLogPath(directory: string, path: string): string {
  if (directory === "" || path === "") return "";
  const full = join(directory, path);
  if (isAbsolute(path) || !full.startsWith(normalize(`${directory}/`))) {
    throw new CriError(
      "invalid",
      `config.log_path ${JSON.stringify(path)} leads out of the log directory ${directory}`,
    );
  }
  return full;
}
