/** The arguments of the benchmark of a node, whose form scripts/bench has checked (pure). */

export interface Options {
  /** Numbers of pods, ascending. */
  pods: number[];
  /** Further CRI servers: the names of their columns, and paths of their sockets. */
  peers: { name: string; socketPath: string }[];
}

/** @throws when a column would be there twice */
export function parseOptions(args: string[]): Options {
  const list = args.findLast((arg) => arg.startsWith("--pods="))?.slice("--pods=".length) ?? "50,200";
  const peers = args
    .filter((arg) => !arg.startsWith("--"))
    .map((arg) => {
      const [name = "", socketPath = ""] = arg.split("=unix://");
      return { name, socketPath };
    });
  const names = ["dockershim", "raw Docker", ...peers.map(({ name }) => name)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two columns cannot both be called ${JSON.stringify(twice)}`);
  return {
    pods: list
      .split(",")
      .map(Number)
      .sort((a, b) => a - b),
    peers,
  };
}
