/** Flags, signals and exit codes: the only file that reads the command line and ends the process. */
import { startApp } from "./app.js";
import { parseCommand, type Command, type Config } from "./config.js";
import { messageOf } from "./errors.js";
import { helpText, UsageError } from "./flags.js";
import { keepHeapSmall } from "./heap.js";
import { makeLog } from "./log.js";
import { programVersion } from "./version.js";

const usageExit = 2;

function readCommand(): Command {
  try {
    return parseCommand(process.argv.slice(2), process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`dockershim: ${error.message}\nTry dockershim --help.\n`);
    process.exit(usageExit);
  }
}

const command = readCommand();
if (command.kind === "help") process.stdout.write(helpText());
else if (command.kind === "version") process.stdout.write(`dockershim ${programVersion()}\n`);
else await run(command.config);

async function run(config: Config): Promise<void> {
  const log = makeLog(config.logLevel);
  for (const sentence of config.ignoredFlags) log.warn(sentence);
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    // From the start on: whoever ends us while we start gets an orderly end as well.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
  try {
    const app = await startApp(config, log);
    keepHeapSmall();
    log.info("stopping", { signal: await stop });
    await app.close();
    exitAfterLog(0);
  } catch (error) {
    log.error("cannot go on", { error: messageOf(error) });
    exitAfterLog(1);
  }
}

/** winston writes in the background; at once, the last line could be lost. */
function exitAfterLog(code: number): void {
  setImmediate(() => process.exit(code));
}
