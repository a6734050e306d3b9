/** A sandbox as the client asks for it, checked once at the edge (pure). */
import { isIP } from "node:net";
import { CriError } from "../errors.js";
import type { DNSConfig__Output } from "../generated/runtime/v1/DNSConfig.js";
import type { PodSandboxConfig__Output } from "../generated/runtime/v1/PodSandboxConfig.js";
import type { PodSandboxMetadata__Output } from "../generated/runtime/v1/PodSandboxMetadata.js";
import type { PortMapping__Output } from "../generated/runtime/v1/PortMapping.js";
import { checkNamePart, type PodMetadata } from "../kube/names.js";
import { parseConfinement, type Confinement } from "../linux/confinement.js";
import { parseIdentity, type IdentityRequest } from "../linux/identity.js";
import { parseNamespaces, type Namespaces } from "../linux/namespaces.js";
import { parseLogDirectory } from "../logs/path.js";
import type { PortMapping } from "../network/port-mapping.js";

export interface SandboxSpec {
  metadata: PodMetadata;
  hostname: string;
  /** Empty or absolute. */
  logDirectory: string;
  /** undefined: the engine's own. */
  dns: DNSConfig__Output | undefined;
  ports: PortMapping[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  cgroupParent: string;
  sysctls: Record<string, string>;
  namespaces: Namespaces;
  identity: IdentityRequest;
  confinement: Confinement;
  /** Empty: the engine's default runtime. */
  runtimeHandler: string;
}

export function parseSandboxConfig(
  config: PodSandboxConfig__Output | null,
  runtimeHandler: string,
): SandboxSpec {
  if (!config) throw new CriError("invalid", "config is required");
  if (config.windows) throw new CriError("invalid", "config.windows: this is a Linux host");
  const metadata = parseMetadata(config.metadata, "config.metadata");
  const security = config.linux?.securityContext ?? null;
  const place = "config.linux.security_context";
  return {
    metadata,
    hostname: config.hostname,
    logDirectory: parseLogDirectory(config.logDirectory, "config.log_directory"),
    dns: isEmptyDns(config.dnsConfig) ? undefined : (config.dnsConfig ?? undefined),
    ports: config.portMappings.map((port, index) => parsePort(port, `config.port_mappings[${index}]`)),
    labels: config.labels,
    annotations: config.annotations,
    cgroupParent: config.linux?.cgroupParent ?? "",
    sysctls: config.linux?.sysctls ?? {},
    namespaces: parseSandboxNamespaces(security?.namespaceOptions ?? null, `${place}.namespace_options`),
    identity: parseIdentity(security, place),
    // Nothing that a pause image holds may gain what its process has not.
    confinement: { ...parseConfinement(security, place), noNewPrivileges: true },
    runtimeHandler,
  };
}

/** @param field the metadata's place in the request, for errors */
export function parseMetadata(metadata: PodSandboxMetadata__Output | null, field: string): PodMetadata {
  if (!metadata) throw new CriError("invalid", `${field} is required`);
  const { name, namespace, uid, attempt } = metadata;
  checkNamePart(name, `${field}.name`);
  checkNamePart(namespace, `${field}.namespace`);
  checkNamePart(uid, `${field}.uid`);
  return { name, namespace, uid, attempt };
}

function parseSandboxNamespaces(...[option, field]: Parameters<typeof parseNamespaces>): Namespaces {
  const namespaces = parseNamespaces(option, field);
  if (namespaces.pid === "TARGET") {
    throw new CriError("invalid", `${field}.pid is TARGET, which only a container can ask for`);
  }
  return namespaces;
}

function parsePort(
  { protocol, containerPort, hostPort, hostIp }: PortMapping__Output,
  field: string,
): PortMapping {
  if (typeof protocol !== "string")
    throw new CriError("invalid", `${field}.protocol ${String(protocol)} is unknown`);
  if (containerPort < 1 || containerPort > 65535) {
    throw new CriError("invalid", `${field}.container_port ${containerPort} is not a port`);
  }
  if (hostPort < 0 || hostPort > 65535)
    throw new CriError("invalid", `${field}.host_port ${hostPort} is not a port`);
  if (hostIp !== "" && isIP(hostIp) === 0) {
    throw new CriError("invalid", `${field}.host_ip ${JSON.stringify(hostIp)} is not an IP address`);
  }
  return { protocol: protocol.toLowerCase() as PortMapping["protocol"], containerPort, hostPort, hostIp };
}

const isEmptyDns = (dns: DNSConfig__Output | null): boolean =>
  !dns || dns.servers.length + dns.searches.length + dns.options.length === 0;
