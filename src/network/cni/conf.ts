/**
 * CNI network configurations: the text of a .conf or .conflist file to what the plugins are run by (pure). The rules
 * are those of the CNI specification, section 1; https://www.cni.dev/docs/spec/
 */
import { CriError } from "../../errors.js";

/** A JSON object whose fields are a plugin's own business. */
export type Json = Record<string, unknown>;

/** All there are, oldest first. */
export const cniVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof cniVersions)[number];

/** One plugin of a network: its file's own words, which are handed to it. */
export interface PluginConf {
  type: string;
  raw: Json;
}

/** A network as its file describes it, before a version is chosen. */
export interface NetworkFile {
  name: string;
  /** Those of the file that this program knows, newest first. */
  versions: CniVersion[];
  disableCheck: boolean;
  disableGC: boolean;
  plugins: PluginConf[];
  /** False: more plugins may be in files of a folder that has the network's name. */
  inlineOnly: boolean;
}

/** A network that pods can be attached to. */
export interface NetworkConf {
  name: string;
  cniVersion: CniVersion;
  disableCheck: boolean;
  disableGC: boolean;
  plugins: PluginConf[];
}

export const isAtLeast = (version: CniVersion, least: CniVersion): boolean =>
  cniVersions.indexOf(version) >= cniVersions.indexOf(least);

/**
 * A list of plugins, or one plugin alone, which is a list of one.
 * @throws CriError invalid
 */
export function parseNetworkFile(text: string): NetworkFile {
  const raw = parseObject(text);
  const plugins = raw["plugins"] === undefined && "type" in raw ? [raw] : array(raw, "plugins");
  return {
    name: parseName(raw["name"]),
    versions: parseVersions(raw),
    disableCheck: flag(raw, "disableCheck"),
    disableGC: flag(raw, "disableGC"),
    plugins: plugins.map((plugin, index) => toPluginConf(plugin, `plugins[${index}]`)),
    inlineOnly: flag(raw, "loadOnlyInlinedPlugins") || raw["plugins"] === undefined,
  };
}

/** One plugin, from a file of a network's folder. @throws CriError invalid */
export const parsePluginFile = (text: string): PluginConf => toPluginConf(parseObject(text), "the plugin");

/** The configuration as one list, to be read by this program or a predecessor again. */
export const toText = ({ plugins, ...conf }: NetworkConf): string =>
  JSON.stringify({ ...conf, loadOnlyInlinedPlugins: true, plugins: plugins.map(({ raw }) => raw) });

/** The opposite of `toText`. @throws CriError invalid */
export function fromText(text: string): NetworkConf {
  const { versions, name, disableCheck, disableGC, plugins } = parseNetworkFile(text);
  const [cniVersion] = versions;
  // parseNetworkFile throws where there is none.
  return { name, cniVersion: cniVersion as CniVersion, disableCheck, disableGC, plugins };
}

function parseObject(text: string): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new CriError("invalid", "it is no JSON", { cause: error });
  }
  if (!isObject(parsed)) throw new CriError("invalid", "it is no JSON object");
  return parsed;
}

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function toPluginConf(raw: unknown, place: string): PluginConf {
  if (!isObject(raw)) throw new CriError("invalid", `${place} is no JSON object`);
  const { type } = raw;
  if (typeof type !== "string" || type === "") throw new CriError("invalid", `${place} has no type`);
  // It is looked for in the plugin directories, and nowhere else.
  if (type.includes("/") || type === "." || type === "..") {
    throw new CriError("invalid", `${place} has the type ${JSON.stringify(type)}, which is no file name`);
  }
  return { type, raw };
}

function parseName(name: unknown): string {
  if (typeof name !== "string" || !/^[a-zA-Z0-9][\w.-]*$/.test(name)) {
    throw new CriError("invalid", `name ${JSON.stringify(name ?? null)} is not a network's name`);
  }
  return name;
}

/** Without a version it is the first one: that had no such field. */
function parseVersions(raw: Json): CniVersion[] {
  const { cniVersion = "0.1.0", cniVersions: more = [] } = raw;
  const asked = [cniVersion, ...(Array.isArray(more) ? (more as unknown[]) : [more])];
  const known = cniVersions.filter((version) => asked.includes(version)).reverse();
  if (known.length > 0) return known;
  throw new CriError(
    "invalid",
    `cniVersion ${asked.map((version) => JSON.stringify(version)).join(", ")} is unknown; known are ${cniVersions.join(", ")}`,
  );
}

function array(raw: Json, field: string): unknown[] {
  const value = raw[field];
  if (Array.isArray(value) && value.length > 0) return value as unknown[];
  throw new CriError("invalid", `it has neither a type nor ${field}`);
}

/** libcni takes a text for a boolean here, and files rely on it. */
function flag(raw: Json, field: string): boolean {
  const value = raw[field];
  if (value === undefined || value === false || value === "false") return false;
  if (value === true || value === "true") return true;
  throw new CriError("invalid", `${field} ${JSON.stringify(value)} is neither true nor false`);
}
