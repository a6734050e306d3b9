/**
 * Conflicts of host ports. The portmap plugin redirects whatever it is told to: a second pod with the same port, or a
 * program of the host that listens on it, would be cut off without a word.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { CriError } from "../../errors.js";
import { isObject, type Json } from "./conf.js";

/** As the capability "portMappings" has it. */
export interface HostPort {
  protocol: string;
  hostPort: number;
  hostIP?: string;
}

export const hostPortsOf = ({ portMappings }: Json): HostPort[] =>
  Array.isArray(portMappings) ? (portMappings.filter(isObject) as unknown as HostPort[]) : [];

const text = ({ protocol, hostPort, hostIP = "" }: HostPort): string =>
  `host port ${hostPort}/${protocol}${isWildcard(hostIP) ? "" : ` on ${hostIP}`}`;

const isWildcard = (address = ""): boolean => address === "" || address === "0.0.0.0" || address === "::";

/** Whether both cannot be had at once (pure). */
const collide = (one: HostPort, other: HostPort): boolean =>
  one.hostPort === other.hostPort &&
  one.protocol.toLowerCase() === other.protocol.toLowerCase() &&
  (isWildcard(one.hostIP) || isWildcard(other.hostIP) || one.hostIP === other.hostIP);

/**
 * Checks against the ports that other pods hold (pure).
 * @throws CriError failedPrecondition naming the port and its holder
 */
export function checkAgainstPods(
  wanted: HostPort[],
  held: Iterable<{ holder: string; ports: HostPort[] }>,
): void {
  for (const { holder, ports } of held) {
    const taken = wanted.find((port) => ports.some((other) => collide(port, other)));
    if (taken) throw new CriError("failedPrecondition", `${text(taken)} is in use by pod ${holder}`);
  }
}

/**
 * Checks against what listens on this host. SCTP is not looked at: Node has no such sockets.
 * @throws CriError failedPrecondition naming the port
 */
export async function checkAgainstHost(wanted: HostPort[]): Promise<void> {
  for (const port of wanted) {
    const hosts = isWildcard(port.hostIP) ? ["::", "0.0.0.0"] : [port.hostIP ?? ""];
    for (const host of hosts) {
      if (await isTaken(port, host)) {
        throw new CriError("failedPrecondition", `${text(port)} is in use by a program on this host`);
      }
    }
  }
}

/** Other errors, such as that the host does not have the address (yet), are not about the port. */
async function isTaken({ protocol, hostPort: port }: HostPort, address: string): Promise<boolean> {
  try {
    if (protocol === "tcp") {
      const server = createServer().listen({ port, host: address, ipv6Only: true });
      await once(server, "listening");
      server.close();
    } else if (protocol === "udp") {
      const socket = createSocket({
        type: address.includes(":") ? "udp6" : "udp4",
        ipv6Only: address.includes(":"),
      });
      try {
        socket.bind({ port, address, exclusive: true });
        await once(socket, "listening");
      } finally {
        // Unlike a server's, it stays open when it could not be bound.
        socket.close();
      }
    }
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EADDRINUSE";
  }
}
