import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { CriError, messageOf } from "../errors.js";
import type { Profile } from "../linux/security.js";

/**
 * The text of a localhost profile, for Docker's API takes no path; undefined for any other. CRI: it is an absolute
 * path on the node.
 */
export async function readSeccomp(profile: Profile | undefined): Promise<string | undefined> {
  if (profile?.type !== "localhost") return undefined;
  if (!isAbsolute(profile.ref)) {
    throw new CriError("invalid", `seccomp profile ${JSON.stringify(profile.ref)} is not an absolute path`);
  }
  try {
    return JSON.stringify(JSON.parse(await readFile(profile.ref, "utf8")));
  } catch (error) {
    throw new CriError("invalid", `seccomp profile ${profile.ref}: ${messageOf(error)}`, { cause: error });
  }
}
