/** A CNI network on fake plugins and fake namespaces; its records and configurations are real files. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { Chain } from "../../../../src/network/cni/chain.js";
import { CniNetwork } from "../../../../src/network/cni/cni-network.js";
import { ConfDirectory } from "../../../../src/network/cni/conf-directory.js";
import type { CniVersion, Json } from "../../../../src/network/cni/conf.js";
import { NetworkNamespaces } from "../../../../src/network/cni/netns.js";
import { PodCidrs } from "../../../../src/network/cni/pod-cidrs.js";
import { AttachmentRecords } from "../../../../src/network/cni/records.js";
import type { NetworkRequest } from "../../../../src/network/pod-network.js";
import { fullId, recordingLog, sandboxInspect } from "../../../support/builders.js";
import { ScriptedEngine } from "../../../support/scripted-engine.js";
import { FakePlugins } from "./fake-plugins.js";
import { networkRequest, temporaryFolder } from "./support.js";

/** Pods' ids, and the pids of their sandboxes. */
export const [a, b, c] = [fullId("a"), fullId("b"), fullId("c")];
export const pids: Record<string, number> = { [a]: 101, [b]: 102, [c]: 103 };
const short = (id: string): string => id.replace(/0*$/, "");

class FakeNamespaces extends NetworkNamespaces {
  /** Pids by sandbox. */
  readonly pinned = new Map<string, number>();
  /** What the next pin or unpin ends with. */
  fails: Error | undefined;

  constructor(private readonly story: string[]) {
    super("/netns");
  }

  override pin = async (id: string, pid: number): Promise<void> => {
    await this.#step(`pin ${short(id)} ${pid}`);
    this.pinned.set(id, pid);
  };
  override unpin = async (id: string): Promise<void> => {
    await this.#step(`unpin ${short(id)}`);
    this.pinned.delete(id);
  };
  override isPinned = (id: string) => Promise.resolve(this.pinned.has(id));

  async #step(step: string): Promise<void> {
    this.story.push(step);
    await Promise.resolve();
    const { fails } = this;
    this.fails = undefined;
    if (fails) throw fails;
  }
}

export const pluginConfs: Json[] = [
  { type: "bridge", capabilities: { ipRanges: true, ips: true } },
  { type: "portmap", capabilities: { portMappings: true } },
];

export interface World {
  cniVersion?: CniVersion;
  plugins?: Json[];
  disableGC?: boolean;
  podCidrs?: string[];
  /** False: new pods are on Docker's bridge. */
  collectsGarbage?: boolean;
}

/** All there is on a host. The bridge plugin gives 10.1.0.2 and so on, or what it is asked for. */
export async function setUp(t: TestContext, world: World = {}) {
  const { cniVersion = "1.1.0", plugins: confs = pluginConfs, disableGC = false, podCidrs = [] } = world;
  const { collectsGarbage = true } = world;
  const folder = temporaryFolder(t);
  const confDirectory = join(folder, "net.d");
  const conf = JSON.stringify({ cniVersion, name: "pods", disableGC, plugins: confs });
  mkdirSync(confDirectory);
  writeFileSync(join(confDirectory, "10-pods.conflist"), conf);

  const story: string[] = [];
  const log = recordingLog();
  const plugins = new FakePlugins(story);
  let given = 1;
  plugins.answers.set("bridge ADD", ({ input, environment }) => ({
    cniVersion,
    interfaces: [{ name: "eth0", sandbox: environment?.["CNI_NETNS"] }],
    ips: (askedFor(input) ?? [`10.1.0.${++given}/24`]).map((address) => ({ address, interface: 0 })),
  }));
  plugins.answers.set("portmap ADD", ({ input }) => input["prevResult"] as Json);

  const engine = new ScriptedEngine(...[a, b, c].map((Id) => sandbox(Id)));
  const namespaces = new FakeNamespaces(story);
  const records = new AttachmentRecords(folder, log);
  await records.load();
  const identity = { engine: "engine-1" };
  const chain = new Chain(plugins);
  const network = new CniNetwork({
    engine,
    confs: new ConfDirectory({
      directory: confDirectory,
      negotiate: (file) => chain.negotiate(file),
      log: log.child({ of: "confs" }),
    }),
    plugins,
    chain,
    records,
    namespaces,
    podCidrs: new PodCidrs(join(folder, "pod-cidrs.json"), podCidrs, log),
    engineId: () => Promise.resolve(identity.engine),
    collectsGarbage,
    log,
  });
  t.after(() => network.close());

  const results = join(folder, "results");
  /** What is on the disk of a pod's attachment. */
  const onDisk = (id: string): Json | undefined => {
    const name = `pods-${id}-eth0`;
    const names = readdirSync(folder).includes("results") ? readdirSync(results) : [];
    return names.includes(name) ? (JSON.parse(readFileSync(join(results, name), "utf8")) as Json) : undefined;
  };
  return {
    ...{ network, plugins, namespaces, engine, records, log, story, identity, onDisk },
    /** A pod gets its network, as after its first start. */
    attach: (id: string, request: Partial<NetworkRequest> = {}, signal = new AbortController().signal) =>
      network.setUp({ id, pid: pids[id] ?? 0 }, networkRequest(request), signal),
    /** What happened since this was last called. */
    since: () => story.splice(0),
    removeConf: () => rmSync(confDirectory, { recursive: true }),
    /** Events and pods of the log's lines that are not at debug level, but for those of the configurations. */
    told: () =>
      log.entries
        .filter(({ level, fields }) => level !== "debug" && fields["of"] !== "confs")
        .map(({ level, event, fields }) => [level, event, fields["sandboxId"]]),
  };
}

/** A sandbox that runs, or has ended. */
export const sandbox = (Id: string, state: "running" | "exited" = "running") =>
  sandboxInspect({
    Id,
    HostConfig: { NetworkMode: "none" },
    State: { Running: state === "running", Status: state, Pid: state === "running" ? (pids[Id] ?? 0) : 0 },
  });

/** The addresses that a plugin is asked to give. */
export const askedFor = ({ args }: Json): string[] | undefined =>
  (args as { cni?: { ips?: string[] } } | undefined)?.cni?.ips;

export const no = (what: string): CriError => new CriError("internal", what);
