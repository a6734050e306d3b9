/** What plugins print: results and errors of every version of the CNI specification (pure). */
import { isObject, type CniVersion, type Json } from "./conf.js";

/** A plugin's result as it printed it; the next plugin, and DEL, get it back unchanged. */
export type CniResult = Json;

/** A plugin's own account of what went wrong; the specification calls the fields code, msg and details. */
export interface PluginFailure {
  code: number;
  message: string;
}

/** "Try again later": section 2 of the specification, "Error". */
export const tryAgainCode = 11;

/** @returns undefined when the text is no result: no JSON object */
export function parseResult(text: string, cniVersion: CniVersion): CniResult | undefined {
  const parsed = parseJson(text);
  return parsed && { cniVersion, ...parsed };
}

/** @returns undefined when the text is no error of the specification's form */
export function parseFailure(text: string): PluginFailure | undefined {
  const { code, msg, details } = parseJson(text) ?? {};
  if (typeof code !== "number" || typeof msg !== "string") return undefined;
  return { code, message: typeof details === "string" && details !== "" ? `${msg}: ${details}` : msg };
}

/** What VERSION printed. */
export function parseSupportedVersions(text: string): string[] | undefined {
  const versions = parseJson(text)?.["supportedVersions"];
  return Array.isArray(versions) ? versions.filter((version) => typeof version === "string") : undefined;
}

/**
 * The pod's addresses with their prefix lengths, in the plugins' order. An address belongs to the pod unless it is
 * that of an interface outside of it, which has no sandbox; where no interface has one, that tells nothing.
 */
export function podIpNets(result: CniResult): string[] {
  const interfaces: unknown[] = Array.isArray(result["interfaces"]) ? result["interfaces"] : [];
  const hasSandbox = (one: unknown): boolean => isObject(one) && Boolean(one["sandbox"]);
  const told = interfaces.some(hasSandbox);
  const inPod = ({ interface: index }: Json): boolean => {
    const its = typeof index === "number" ? interfaces[index] : undefined;
    return !told || its === undefined || hasSandbox(its);
  };
  const ips = list(result["ips"])
    .filter(inPod)
    .map(({ address }) => address);
  // The form of versions up to 0.2.0.
  const old = [result["ip4"], result["ip6"]].map((family) => (isObject(family) ? family["ip"] : undefined));
  return [...ips, ...old].filter((text) => typeof text === "string");
}

export const podAddresses = (result: CniResult): string[] =>
  podIpNets(result).map((net) => net.split("/")[0] ?? "");

function parseJson(text: string): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
