import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Writes a small file so that at every moment the old text or the new one is there. Its folder is made where there is
 * none. A name that begins with a dot is a write that was broken off. Two writes of one file must not overlap.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  // Next to it, so that a rename is enough.
  const temporary = join(folder, `.${basename(path)}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, path);
}
