/** A pod's life step by step, beside the same as raw Docker calls. */
import type { CriClient } from "./cri-client.js";
import { containerConfig, podConfig } from "./pods.js";
import { timesRow, type Times } from "./timing.js";
import { timeOf } from "./measure.js";

/** One pod's steps, in the order of their fields. */
export interface Life {
  RunPodSandbox(): Promise<unknown>;
  CreateContainer(): Promise<unknown>;
  StartContainer(): Promise<unknown>;
  ExecSync(cmd: string[]): Promise<unknown>;
  StopContainer(): Promise<unknown>;
  RemoveContainer(): Promise<unknown>;
  StopPodSandbox(): Promise<unknown>;
  RemovePodSandbox(): Promise<unknown>;
}

const rounds = 15;

export async function criLife(client: CriClient, logDirectory: string): Promise<Life> {
  const config = await podConfig(logDirectory);
  let podSandboxId = "";
  let containerId = "";
  return {
    RunPodSandbox: async () => ({ podSandboxId } = await client.ask("RunPodSandbox", { config })),
    CreateContainer: async () => {
      const request = { podSandboxId, config: containerConfig(config), sandboxConfig: config };
      ({ containerId } = await client.ask("CreateContainer", request));
    },
    StartContainer: () => client.send("StartContainer", { containerId }),
    ExecSync: async (cmd) => {
      const { exitCode } = await client.ask("ExecSync", { containerId, cmd, timeout: "10" });
      if (exitCode !== 0) throw new Error(`${cmd.join(" ")}: exit code ${exitCode}`);
    },
    StopContainer: () => client.send("StopContainer", { containerId, timeout: "0" }),
    RemoveContainer: () => client.send("RemoveContainer", { containerId }),
    StopPodSandbox: () => client.send("StopPodSandbox", { podSandboxId }),
    RemovePodSandbox: () => client.send("RemovePodSandbox", { podSandboxId }),
  };
}

/** Rows of p50 and p99, in milliseconds. @param contestants make a new pod's life each time; the first is ours */
export async function lifecycleRows(
  contestants: ReadonlyMap<string, () => Promise<Life>>,
): Promise<string[][]> {
  const times = new Map<string, Times>();
  // The first round is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const [name, begin] of contestants) {
      for (const [step, work] of Object.entries(await begin()) as [string, Life["ExecSync"]][]) {
        const taken = await timeOf(() => work(["true"]));
        if (round >= 0) note(times, step, name, taken);
      }
    }
  }
  const names = [...contestants.keys()];
  return [...times].map(([step, ofStep]) => timesRow(step, names, ofStep));
}

function note(times: Map<string, Times>, step: string, name: string, taken: number): void {
  if (!times.has(step)) times.set(step, new Map());
  const ofStep = times.get(step)!;
  ofStep.set(name, [...(ofStep.get(name) ?? []), taken]);
}
