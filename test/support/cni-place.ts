/** Folders for a node's CNI networks, which outlive its server as on a real machine. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/config.js";
import { putConf } from "./cni-confs.js";
import { networkState, type NetworkState } from "./network-state.js";

export interface CniPlace {
  /** For the server. */
  cni: Config["cni"];
  rootDirectory: string;
  /** For plugins of the test's own; searched before Debian's. */
  bin: string;
  /** For host-local. */
  leases: string;
  /** Where the server keeps what is known of the attachments. */
  records: string;
  /** Makes it the pods' network. */
  use(conf: object): Promise<void>;
  state(): Promise<NetworkState>;
  remove(): Promise<void>;
}

export async function makeCniPlace({ timeout = 60_000 } = {}): Promise<CniPlace> {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-cni."));
  const [bin, leases, cache] = ["bin", "leases", "cache"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(bin);
  const confDirectory = join(directory, "net.d");
  return {
    cni: { confDirectory, binDirectories: [bin, "/usr/lib/cni"], cacheDirectory: cache, timeout },
    rootDirectory: join(directory, "root"),
    bin,
    leases,
    records: join(cache, "results"),
    use: (conf) => putConf(confDirectory, "10-pods.conflist", conf),
    state: () => networkState(leases, cache),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
