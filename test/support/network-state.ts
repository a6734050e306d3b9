/** What pods' networks leave in a host: looked at before and after, it tells whether something stayed. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { docker } from "./real-node.js";

const execFileAsync = promisify(execFile);

/** Standard output of a program. */
export const output = async (program: string, ...args: string[]): Promise<string> =>
  (await execFileAsync(program, args, { maxBuffer: 64 * 1024 * 1024 })).stdout;

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** host-local's own: where it goes on, and what keeps others out. */
const isLease = (name: string): boolean => !name.startsWith("last_reserved_ip") && name !== "lock";

export type NetworkState = Record<string, string[]>;

/** What is there and was not before, and the other way round. */
export function changes(before: NetworkState, after: NetworkState): string[] {
  return Object.keys(before).flatMap((kind) => {
    const [old = [], now = []] = [before[kind], after[kind]];
    const missingFrom = (list: string[], other: string[], sign: string) =>
      list.filter((item) => !other.includes(item)).map((item) => `${sign} ${kind}: ${item}`);
    return [...missingFrom(now, old, "+"), ...missingFrom(old, now, "-")];
  });
}

/** @param folders of the leases of host-local, and of what is known of the attachments */
export async function networkState(...folders: string[]): Promise<NetworkState> {
  const [links, v4, v6, mounts, pins, networks, containers] = await Promise.all([
    output("ip", "-o", "link"),
    output("iptables-save"),
    output("ip6tables-save"),
    readFile("/proc/self/mountinfo", "utf8"),
    readdir("/run/netns").catch(() => []),
    docker().listNetworks(),
    docker().listContainers({ all: true }),
  ]);
  const rules = (text: string) =>
    lines(text).filter((line) => /^(\*|:|-)/.test(line) && !line.startsWith(":"));
  const files = await Promise.all(folders.map((folder) => listDeep(folder)));
  return {
    links: lines(links)
      .map((line) => line.split(": ")[1]?.split("@")[0] ?? line)
      .sort(),
    rules4: rules(v4).sort(),
    rules6: rules(v6).sort(),
    chains: lines(v4 + v6)
      .filter((line) => line.startsWith(":"))
      .map((line) => line.split(" ")[0] ?? "")
      .sort(),
    namespaces: lines(mounts)
      .filter((line) => line.includes(" - nsfs "))
      .map((line) => line.split(" ")[4] ?? "")
      // Docker's own handle on the host's, from the first pod on the host's network on.
      .filter((path) => !path.endsWith("/netns/default"))
      .sort(),
    pins: pins.sort(),
    leases: files.flat().filter(isLease).sort(),
    networks: networks.map(({ Name }) => Name).sort(),
    containers: containers.map(({ Names: [name = ""] }) => name).sort(),
  };
}

async function listDeep(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** The pods' end of a path into the node's own network, for tests that connect to the node. */
export const nodeAddress = "198.51.100.7";
export const nodeAddress6 = "2001:db8::7";

/** Gives the node addresses that pods can reach, as a machine on a network has them. Twice is no error. */
export async function addNodeAddresses(): Promise<void> {
  for (const address of [`${nodeAddress}/32`, `${nodeAddress6}/128`]) {
    await output("ip", "address", "replace", address, "dev", "lo");
  }
}
