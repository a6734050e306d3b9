/** CNI networks of Debian's plugins, for tests; each test file has its own bridge and ranges. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface CniNetwork {
  name: string;
  bridge: string;
  subnets: string[];
  /** For host-local. */
  leases: string;
}

export const hostLocal = ({ subnets, leases }: Pick<CniNetwork, "subnets" | "leases">) => ({
  type: "host-local",
  ...(subnets.length > 0 ? { ranges: subnets.map((subnet) => [{ subnet }]) } : {}),
  routes: subnets.map((subnet) => ({ dst: subnet.includes(":") ? "::/0" : "0.0.0.0/0" })),
  dataDir: leases,
});

export const bridgePlugin = (network: CniNetwork) => ({
  type: "bridge",
  bridge: network.bridge,
  isGateway: true,
  ipMasq: true,
  hairpinMode: true,
  ipam: hostLocal(network),
});

export const portmap = { type: "portmap", snat: true, capabilities: { portMappings: true } };
export const bandwidth = { type: "bandwidth", capabilities: { bandwidth: true } };
export const firewall = { type: "firewall" };

export const conflist = (name: string, plugins: object[], cniVersion = "1.0.0") => ({
  cniVersion,
  name,
  plugins,
});

/** The whole chain, as a cluster has it. */
export const fullConf = (network: CniNetwork) =>
  conflist(network.name, [bridgePlugin(network), portmap, bandwidth, firewall]);

/** Puts a configuration where the server looks, at once and whole. */
export async function putConf(directory: string, file: string, conf: object): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `.${file}`), JSON.stringify(conf));
  await rename(join(directory, `.${file}`), join(directory, file));
}
