/** The fake engine's networks: how they are made and refused, and the addresses that their containers get. */
import { randomBytes } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import type { NetworkCreateOptions } from "dockerode";
import type { ContainerInspect, FixedAddresses, NetworkInspect } from "../../src/docker/engine.js";
import type { FakeEvents } from "./fake-events.js";
import { refusal } from "./fake-refusal.js";

interface FakeNetwork {
  inspect: NetworkInspect;
  /** Ranges that were given, and not found by the daemon. */
  given: boolean;
}

interface Connection {
  /** A name until the first start, then an id. */
  network: string;
  fixed: FixedAddresses;
}

const bridgeName = "com.docker.network.bridge.name";

export class FakeNetworks {
  /** Whether the daemon finds IPv6 ranges by itself, as it does since version 27. */
  findsIPv6 = true;
  readonly #all: FakeNetwork[] = [];
  /** By the containers' ids. */
  readonly #connections = new Map<string, Connection>();
  #made = 0;

  constructor(private readonly events?: FakeEvents) {}

  get names(): string[] {
    return this.#all.map(({ inspect }) => inspect.Name).sort();
  }

  create({ Name, EnableIPv6 = false, IPAM, Options, Labels }: NetworkCreateOptions): { id: string } {
    if (this.names.includes(Name)) throw refusal(409, `network with name ${Name} already exists`);
    const bridge = Options?.[bridgeName];
    const sharing = this.#all.find(({ inspect }) => bridge && inspect.Options?.[bridgeName] === bridge);
    if (sharing) {
      throw refusal(
        403,
        `cannot create network (${bridge}): conflicts with network ${sharing.inspect.Id} (${bridge}): networks have same bridge name`,
      );
    }
    const subnets = (IPAM?.Config ?? []).map(({ Subnet = "" }) => Subnet);
    const given = subnets.length > 0;
    if (!subnets.some((subnet) => isIPv4(baseOf(subnet)))) subnets.push(`172.${18 + this.#made}.0.0/16`);
    if (EnableIPv6 && !subnets.some((subnet) => isIPv6(baseOf(subnet)))) {
      if (!this.findsIPv6) {
        throw refusal(
          404,
          "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network",
        );
      }
      subnets.push(`fd00:${this.#made}::/64`);
    }
    const taken = this.#all.flatMap(({ inspect }) => subnetsOf(inspect));
    if (subnets.some((subnet) => taken.includes(subnet))) {
      throw refusal(403, "Pool overlaps with other one on this address space");
    }
    this.#made++;
    const Id = randomBytes(32).toString("hex");
    const inspect = {
      Id,
      Name,
      EnableIPv6,
      IPAM: { Config: subnets.map((Subnet) => ({ Subnet })) },
      Containers: {},
      Options: { ...Options },
      Labels: { ...Labels },
    };
    this.#all.push({ inspect, given });
    this.events?.publish("network", "create", Id, { name: Name });
    return { id: Id };
  }

  /** By id or name; a copy, as over a wire. */
  inspect(reference: string): NetworkInspect {
    return structuredClone(this.#find(reference).inspect);
  }

  remove(reference: string): void {
    const network = this.#find(reference);
    const { Name, Id, Containers } = network.inspect;
    if (Object.keys(Containers ?? {}).length > 0) {
      throw refusal(403, `error while removing network: network ${Name} id ${Id} has active endpoints`);
    }
    this.#all.splice(this.#all.indexOf(network), 1);
    this.events?.publish("network", "destroy", Id, { name: Name });
  }

  connect(reference: string, { Id }: ContainerInspect, fixed: FixedAddresses): void {
    const { inspect, given } = this.#find(reference);
    if (!given && Object.keys(fixed).length > 0) {
      throw refusal(
        400,
        "user specified IP address is supported only when connecting to networks with user configured subnets",
      );
    }
    this.#connections.set(Id, { network: inspect.Name, fixed });
  }

  disconnect(reference: string, { Id }: ContainerInspect): void {
    const { Name, Id: networkId } = this.#find(reference).inspect;
    const connection = this.#connections.get(Id);
    if (!connection || ![Name, networkId].includes(connection.network)) {
      throw refusal(500, `container ${Id} is not connected to the network ${Name}`);
    }
    this.#connections.delete(Id);
  }

  /** A container was created with a network of this name, which need not be there yet. */
  created(containerId: string, name: string): void {
    this.#connections.set(containerId, { network: name, fixed: {} });
  }

  /** @returns what a container that starts sees of its networks; none when it was disconnected */
  started({ Id }: ContainerInspect): NonNullable<ContainerInspect["NetworkSettings"]["Networks"]> {
    const connection = this.#connections.get(Id);
    if (!connection) return {};
    const { inspect } = this.#find(connection.network);
    const used = Object.values(inspect.Containers ?? {}).flatMap(({ IPv4Address, IPv6Address }) => [
      baseOf(IPv4Address),
      baseOf(IPv6Address),
    ]);
    const wanted = Object.values(connection.fixed) as string[];
    if (wanted.some((address) => used.includes(address))) throw refusal(403, "Address already in use");
    const [v4 = "", v6 = ""] = [isIPv4, isIPv6].map((isOfFamily) =>
      subnetsOf(inspect).find((subnet) => isOfFamily(baseOf(subnet))),
    );
    // The lowest that is free, as Docker does it.
    const free = (make: (last: number) => string): string => {
      for (let last = 2; ; last++) if (!used.includes(make(last))) return make(last);
    };
    const IPAddress =
      connection.fixed.IPv4Address ?? free((last) => baseOf(v4).replace(/\d+$/, String(last)));
    const GlobalIPv6Address =
      connection.fixed.IPv6Address ??
      (inspect.EnableIPv6 ? free((last) => baseOf(v6) + last.toString(16)) : "");
    (inspect.Containers ??= {})[Id] = {
      IPv4Address: withLength(IPAddress, v4),
      IPv6Address: withLength(GlobalIPv6Address, v6),
    };
    connection.network = inspect.Id;
    return { [inspect.Name]: { IPAddress, GlobalIPv6Address } };
  }

  ended(containerId: string): void {
    for (const { inspect } of this.#all) delete inspect.Containers?.[containerId];
  }

  removed(containerId: string): void {
    this.#connections.delete(containerId);
  }

  clear(): void {
    this.#all.length = 0;
    this.#connections.clear();
    this.#made = 0;
    this.findsIPv6 = true;
  }

  #find(reference: string): FakeNetwork {
    const found = this.#all.find(({ inspect: { Id, Name } }) => reference === Id || reference === Name);
    if (!found) throw refusal(404, `network ${reference} not found`);
    return found;
  }
}

const subnetsOf = ({ IPAM }: NetworkInspect): string[] => (IPAM.Config ?? []).map(({ Subnet }) => Subnet);
const baseOf = (subnet: string): string => subnet.split("/")[0] ?? "";
const withLength = (address: string, subnet: string): string =>
  address === "" ? "" : `${address}/${subnet.split("/")[1]}`;
