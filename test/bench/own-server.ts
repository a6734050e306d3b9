/** Our server as a node runs it: built, and started again and again on the pods that are there. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config.js";
import { serverConfig } from "../support/builders.js";
import { usageOf } from "../support/processes.js";
import { dockerSocket } from "../support/real-node.js";
import { spawnServer } from "../support/server-process.js";
import { criClient, type CriClient } from "./cri-client.js";
import { median, timeCommand } from "./measure.js";

export interface OwnServer {
  client: CriClient;
  /** Mebibytes. */
  rss(): Promise<number>;
  /** Its files stay, and so do its pods. */
  stop(): Promise<void>;
}

export async function ownDirectory() {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-bench."));
  const config: Config = { ...serverConfig(directory), dockerSocketPath: dockerSocket() };
  return {
    socketPath: config.socketPath,
    /** @param overrides for this start only */
    start: async (overrides: Partial<Config> = {}): Promise<OwnServer> => {
      const server = await spawnServer({ ...config, ...overrides }, { built: true });
      const client = criClient(config.socketPath);
      return {
        client,
        rss: async () => (await usageOf(server.pid)).rss,
        stop: async () => {
          client.close();
          await server.close();
        },
      };
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

const starts = 7;

/** Rows of milliseconds. @param start resolves when the socket is there */
export async function startRows(start: () => Promise<OwnServer>, pods: number): Promise<string[][]> {
  const ready: number[] = [];
  const bare: number[] = [];
  for (let count = 0; count < starts; count++) {
    const begun = performance.now();
    const server = await start();
    const { containers } = await server.client.ask("ListContainers", {});
    ready.push(performance.now() - begun);
    await server.stop();
    if (containers.length !== pods)
      throw new Error(`the first list has ${containers.length} of ${pods} containers`);
    bare.push(await timeCommand([process.execPath, "--eval", "0"]));
  }
  const row = (what: string, times: number[]) => [
    `${what}, ${starts} times`,
    `${median(times).toFixed(0)} ms`,
  ];
  return [row("from start to the first list of all pods", ready), row("a Node.js that does nothing", bare)];
}
