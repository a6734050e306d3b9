/** What the tests that run plugins share: directories, and processes that can be told apart. */
import type { TestContext } from "node:test";
import { Plugins } from "../../../../src/network/cni/plugins.js";
import { recordingLog } from "../../../support/builders.js";
import { makeTestPlugin } from "../../../support/cni-plugin.js";
import { processesLike } from "../../../support/processes.js";
import { temporaryFolder } from "./support.js";

/** A directory with one plugin, and whoever runs what is in there. */
export function setUp(t: TestContext, { timeoutMs = 60_000 } = {}) {
  const directory = temporaryFolder(t);
  const plugin = makeTestPlugin(directory, "probe");
  const log = recordingLog();
  const plugins = new Plugins({ directories: [directory], timeoutMs, log });
  t.after(() => plugins.close());
  const add = (signal?: AbortSignal) => plugins.run({ type: "probe", command: "ADD", input: {} }, signal);
  return { directory, plugin, plugins, log, add };
}

let sleeps = 0;
/** A command line that no other process has; what is left of it ends with the test. */
export function uniqueSleep(t: TestContext): string {
  // Hours, and a fraction that is ours.
  const sleep = `sleep 9999.${process.pid}${String(++sleeps).padStart(3, "0")}`;
  t.after(async () => {
    for (const pid of await processesLike(new RegExp(sleep))) process.kill(pid, "SIGKILL");
  });
  return sleep;
}
