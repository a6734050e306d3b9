#!/usr/bin/env node
/** Flags, signals and exit codes: the only file that touches `process`. */
import { readFileSync } from "node:fs";
import { startApp } from "./app.js";
import { helpText, parseCommand, UsageError, type Command } from "./config.js";
import { messageOf } from "./errors.js";
import { makeLog } from "./log.js";

const usageExit = 2;

function readCommand(): Command {
  try {
    return parseCommand(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`dockershim: ${error.message}\nTry dockershim --help.\n`);
    process.exit(usageExit);
  }
}

const version = (): string =>
  (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string })
    .version;

const command = readCommand();
if (command.kind === "help") process.stdout.write(helpText());
else if (command.kind === "version") process.stdout.write(`dockershim ${version()}\n`);
else {
  const log = makeLog(command.config.logLevel);
  try {
    const app = await startApp(command.config, log);
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        log.info("stopping", { signal });
        void app.close().then(
          () => process.exit(0),
          (error: unknown) => {
            log.error("could not stop cleanly", { error });
            process.exit(1);
          },
        );
      });
    }
  } catch (error) {
    log.error("cannot start", { error: messageOf(error) });
    process.exitCode = 1;
    // winston writes in the background; without this the reason could be lost.
    setImmediate(() => process.exit(1));
  }
}
