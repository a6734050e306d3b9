/** What a plugin is asked: its configuration on standard input, and the attachment in its environment (pure). */
import type { NetworkRequest } from "../pod-network.js";
import { burstOf, parseBandwidth } from "../bandwidth.js";
import { isObject, type Json, type NetworkConf, type PluginConf } from "./conf.js";
import type { CniResult } from "./result.js";

/** The pods' one interface. */
export const interfaceName = "eth0";

/** What a pod asks of its network, as the plugins get it; the same at ADD, CHECK and DEL. */
export interface AttachmentRequest {
  containerId: string;
  args: [name: string, value: string][];
  /** By capability. A plugin sees those that its configuration declares. */
  capabilityArgs: Json;
}

/**
 * The arguments and capabilities of a new pod. The conventions are in CONVENTIONS.md of the CNI project; K8S_POD_UID
 * is what newer runtimes add to the predecessors' arguments.
 * @throws CriError invalid for bandwidth annotations that cannot be
 */
export function toAttachmentRequest(
  containerId: string,
  { metadata, annotations, ports, dns }: NetworkRequest,
  podCidrs: readonly string[],
): AttachmentRequest {
  const { ingress, egress } = parseBandwidth(annotations);
  const published = ports.filter(({ hostPort }) => hostPort > 0);
  return {
    containerId,
    args: [
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", metadata.namespace],
      ["K8S_POD_NAME", metadata.name],
      ["K8S_POD_INFRA_CONTAINER_ID", containerId],
      ["K8S_POD_UID", metadata.uid],
    ],
    capabilityArgs: {
      ...(published.length > 0
        ? {
            portMappings: published.map(({ protocol, containerPort, hostPort, hostIp }) => ({
              hostPort,
              containerPort,
              protocol,
              ...(hostIp !== "" ? { hostIP: hostIp } : {}),
            })),
          }
        : {}),
      ...(ingress !== undefined || egress !== undefined
        ? {
            bandwidth: {
              ...(ingress !== undefined ? { ingressRate: ingress, ingressBurst: burstOf(ingress) } : {}),
              ...(egress !== undefined ? { egressRate: egress, egressBurst: burstOf(egress) } : {}),
            },
          }
        : {}),
      // A set of ranges each, so that a pod gets an address of every one.
      ...(podCidrs.length > 0 ? { ipRanges: podCidrs.map((subnet) => [{ subnet }]) } : {}),
      ...(dns ? { dns: { servers: dns.servers, searches: dns.searches, options: dns.options } } : {}),
    },
  };
}

export interface InputOptions {
  capabilityArgs?: Json;
  prevResult?: CniResult | undefined;
  /** Keys for this one command. */
  extra?: Json;
}

/** Standard input for one plugin: section 3 of the specification, "Deriving request configuration". */
export function toInput(
  { name, cniVersion }: NetworkConf,
  { raw }: PluginConf,
  { capabilityArgs = {}, prevResult, extra = {} }: InputOptions,
): Json {
  const { capabilities, ...rest } = raw;
  const declared = isObject(capabilities) ? capabilities : {};
  const runtimeConfig = Object.entries(capabilityArgs).filter(([name]) => declared[name] === true);
  // host-local and static take the addresses that a pod is to get from here, too.
  const { ips } = capabilityArgs;
  return {
    ...rest,
    ...(ips === undefined ? {} : { args: withCniArg(rest["args"], { ips }) }),
    name,
    cniVersion,
    ...(runtimeConfig.length > 0 ? { runtimeConfig: Object.fromEntries(runtimeConfig) } : {}),
    ...(prevResult ? { prevResult } : {}),
    ...extra,
  };
}

/** "args" of the configuration, with one more for whoever knows it. */
function withCniArg(args: unknown, more: Json): Json {
  const known = isObject(args) ? args : {};
  return { ...known, cni: { ...(isObject(known["cni"]) ? known["cni"] : {}), ...more } };
}

/** The environment, without CNI_PATH. @param netns empty when it is gone */
export const toEnvironment = (
  { containerId, args }: AttachmentRequest,
  netns: string,
): Record<string, string> => ({
  CNI_CONTAINERID: containerId,
  CNI_NETNS: netns,
  CNI_IFNAME: interfaceName,
  CNI_ARGS: args.map(([name, value]) => `${name}=${value}`).join(";"),
});
