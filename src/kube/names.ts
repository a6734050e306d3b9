/**
 * Names of our containers in Docker. They are shared with dockershim and cri-dockerd, so that a node can
 * switch between the three with its pods running, and they are what makes creation idempotent: Docker
 * refuses a second container of the same name.
 */
import { CriError } from "../errors.js";

export interface PodMetadata {
  name: string;
  namespace: string;
  uid: string;
  /** How often the sandbox was created before, from 0. */
  attempt: number;
}

export interface ContainerMetadata {
  name: string;
  attempt: number;
}

const prefix = "k8s";
const separator = "_";
/** The container part of a sandbox's name. */
const sandboxPart = "POD";

/** Docker's rule for container names (daemon/names). */
const allowed = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export const sandboxName = (pod: PodMetadata): string =>
  join(sandboxPart, pod.name, pod.namespace, pod.uid, pod.attempt);

export const containerName = (pod: PodMetadata, container: ContainerMetadata): string =>
  join(container.name, pod.name, pod.namespace, pod.uid, container.attempt);

/**
 * The same name with a seventh part, for when the plain one is held by a leftover that cannot be removed.
 * @param random 8 hex digits
 */
export const withSuffix = (name: string, random: string): string => name + separator + random;

/** A sandbox's pod from its container's name, or undefined when the name is not a sandbox's. */
export function parseSandboxName(name: string): PodMetadata | undefined {
  const parts = split(name);
  if (!parts || parts.container !== sandboxPart) return undefined;
  return { name: parts.pod, namespace: parts.namespace, uid: parts.uid, attempt: parts.attempt };
}

/** The pod that a sandbox was made for; of a name that is not in our form, all that can be said. */
export const podOf = (name: string): PodMetadata =>
  parseSandboxName(name) ?? { name: name.replace(/^\//, ""), namespace: "", uid: "", attempt: 0 };

/** A container's metadata from its name, or undefined when the name is not a pod's container's. */
export function parseContainerName(name: string): ContainerMetadata | undefined {
  const parts = split(name);
  return parts && parts.container !== sandboxPart
    ? { name: parts.container, attempt: parts.attempt }
    : undefined;
}

/**
 * Names the first part that would make a name Docker refuses or a parser misread.
 * The separator is refused too: Kubernetes names cannot contain it, and the name could not be read back.
 */
export function checkNamePart(value: string, field: string): void {
  if (value === "") throw new CriError("invalid", `${field} is required`);
  if (!allowed.test("a" + value) || value.includes(separator)) {
    throw new CriError(
      "invalid",
      `${field} ${JSON.stringify(value)} has characters that a container name cannot hold; allowed are letters, digits, "." and "-"`,
    );
  }
}

const join = (...parts: (string | number)[]): string => [prefix, ...parts].join(separator);

function split(name: string) {
  const parts = name.replace(/^\//, "").split(separator);
  if (parts.length !== 6 && parts.length !== 7) return undefined;
  const [head, container, pod, namespace, uid, attempt] = parts;
  if (head !== prefix || !container || pod === undefined || namespace === undefined || uid === undefined)
    return undefined;
  if (attempt === undefined || !/^\d+$/.test(attempt)) return undefined;
  return { container, pod, namespace, uid, attempt: Number(attempt) };
}
