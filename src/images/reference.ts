/** Image references in every form that clients use (pure). */
import { CriError } from "../errors.js";
import type { ImageSource } from "../docker/engine.js";

/** distribution/reference's grammar, in one expression: [host[:port]/]path[:tag][@digest] */
const host = String.raw`(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?`;
const component = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`;
const grammar = new RegExp(
  String.raw`^(?<name>(?:${host}/)?${component}(?:/${component})*)` +
    String.raw`(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

export interface ImageReference {
  /** As written, without tag and digest. */
  name: string;
  tag: string | undefined;
  digest: string | undefined;
}

const fullId = /^(?:sha256:)?[0-9a-f]{64}$/;

/** Forms of image_ref that a migrating kubelet may still hold, without their scheme. */
const withoutScheme = (text: string): string => text.replace(/^docker(?:-pullable)?:\/\//, "");

/** Undefined for what is no name: an id or rubbish. */
export function parseReference(text: string): ImageReference | undefined {
  const bare = withoutScheme(text);
  if (fullId.test(bare)) return undefined;
  const groups = grammar.exec(bare)?.groups;
  return groups ? { name: groups["name"] ?? "", tag: groups["tag"], digest: groups["digest"] } : undefined;
}

/**
 * A reference as Docker's image and container calls take it: an id, name:tag, name@digest, or a bare word, which
 * Docker itself takes for the latest of that name or else for the beginning of an id.
 */
export function dockerReference(text: string): string {
  const reference = parseReference(text);
  if (!reference) return withoutScheme(text);
  const { name, tag, digest } = reference;
  // With a digest the tag says nothing more, and Docker knows no image by both.
  if (digest) return `${name}@${digest}`;
  return tag ? `${name}:${tag}` : name;
}

/**
 * What to ask a registry for.
 * @throws CriError invalid for an id or for what is no reference
 */
export function parsePullSource(text: string): ImageSource {
  const reference = parseReference(text);
  if (!reference) {
    throw new CriError("invalid", `image ${JSON.stringify(text)} is not a reference that can be pulled`);
  }
  return { repository: reference.name, tagOrDigest: reference.digest ?? reference.tag ?? "latest" };
}

/**
 * The registry that a name is pulled from; Docker Hub's is docker.io. A first part is a host by Docker's own
 * rule: it has a dot, a port or a capital letter, or is localhost.
 */
export function registryOf(name: string): string {
  const [first = "", ...rest] = name.split("/");
  const isHost = rest.length > 0 && (/[.:A-Z]/.test(first) || first === "localhost");
  return isHost ? first : "docker.io";
}

/** One spelling for references that mean the same: with registry, library/ and tag. */
export function normalize(text: string): string {
  const reference = parseReference(text);
  if (!reference) return withoutScheme(text);
  const registry = registryOf(reference.name);
  const path = reference.name.startsWith(`${registry}/`)
    ? reference.name.slice(registry.length + 1)
    : reference.name;
  const full = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  return `${registry}/${full}${reference.digest ? `@${reference.digest}` : `:${reference.tag ?? "latest"}`}`;
}
