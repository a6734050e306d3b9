/** Execs of the fake engine, without the rest of it, and a client that watches one. */
import { runExec, type ExecDependencies } from "../../../src/streaming/exec.js";
import type { CommandWants } from "../../../src/streaming/command.js";
import type { ExecOptions } from "../../../src/docker/engine.js";
import { containerId, containerInspect, recordingLog } from "../../support/builders.js";
import { FakeExecs, type Script } from "../../support/fake-execs.js";
import { FakeClient } from "./fake-client.js";

type Engine = ExecDependencies["engine"];

/** What each script answers to, whatever it does. */
const cmd = ["/bin/run", "it"];

/** @param overrides calls of the engine that do something else */
export function prepareExec(
  wants: CommandWants,
  script: Script = {},
  overrides: (engine: Engine) => Partial<Engine> = () => ({}),
) {
  const execs = new FakeExecs();
  execs.scripts.set(cmd.join(" "), script);
  const created: { containerId: string; options: ExecOptions }[] = [];
  const started: { tty: boolean }[] = [];
  const life = new AbortController();
  const fake: Engine = {
    createExec: async (containerId, options) => {
      created.push({ containerId, options });
      return Promise.resolve(execs.create(containerInspect(), options.cmd, options.tty));
    },
    startExec: async (id, options) => {
      started.push(options);
      return Promise.resolve(execs.start(id, life.signal));
    },
    inspectExec: async (id) => Promise.resolve(execs.inspect(id)),
    resizeExec: async (id, size) => {
      await Promise.resolve();
      execs.resize(id, size);
    },
  };
  const signals: { pid: number; containerId: string; name: string }[] = [];
  const log = recordingLog();
  const deps: ExecDependencies = {
    engine: { ...fake, ...overrides(fake) },
    signalSession: (pid, containerId, name) => {
      signals.push({ pid, containerId, name });
      return Promise.resolve();
    },
    log,
  };
  const client = new FakeClient(wants);
  const run = (other: Partial<ExecDependencies> = {}, at = client): Promise<void> =>
    runExec({ ...deps, ...other }, { containerId, cmd, ...wants }, at);
  /** What hangs comes to its end. */
  const end = (): void => execs.finish(cmd.join(" "));
  return { run, end, client, execs, created, started, signals, log, cmd, life };
}

/** The only process that was started. */
export const processOf = (execs: FakeExecs) => {
  const [process] = execs.processes;
  if (!process || execs.processes.length > 1) throw new Error("not one process was started");
  return process;
};
