import { readFileSync } from "node:fs";

/** This program's own version, as package.json has it. */
export const programVersion = (): string =>
  (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string })
    .version;
