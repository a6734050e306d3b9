/**
 * How CRI labels and annotations are kept in Docker's labels, in the words of dockershim and cri-dockerd.
 */

export const typeLabel = "io.kubernetes.docker.type";
export const sandboxIdLabel = "io.kubernetes.sandbox.id";
export const logPathLabel = "io.kubernetes.container.logpath";
/** Ours alone: the keys, as a JSON list, that the image brought and the client did not ask for. */
export const inheritedLabel = "io.kubernetes.docker.inherited";
/** Ours alone: what is told in mount-records.ts. */
export const mountsLabel = "io.kubernetes.docker.mounts";
/** A CRI label that the kubelet sets on containers; ours, with the value POD, on sandboxes. */
export const containerNameLabel = "io.kubernetes.container.name";

/** Ours alone, on sandboxes: the runtime handler that was asked for, also where it was none. */
export const runtimeHandlerLabel = "io.kubernetes.docker.runtimehandler";

/**
 * The type of containers that are never started and only there for their image's files to be read. Of no kind, and
 * said in the place of a type that the image may bring.
 */
export const imageFilesType = "image-files";
/** Ours alone, on those: whose they are, by the root directory of the server. */
export const ownerLabel = "io.kubernetes.docker.owner";

export type Kind = "podsandbox" | "container";
export type Labels = Readonly<Record<string, string>>;

const annotationPrefix = "annotation.";
const labelPrefix = "label.";
/** Keys that are ours on an object of that kind, and not the client's. */
const internal: Record<Kind, ReadonlySet<string>> = {
  podsandbox: new Set([
    typeLabel,
    sandboxIdLabel,
    logPathLabel,
    inheritedLabel,
    containerNameLabel,
    runtimeHandlerLabel,
  ]),
  container: new Set([typeLabel, sandboxIdLabel, logPathLabel, inheritedLabel, mountsLabel]),
};

export const sandboxLabels = (labels: Labels, annotations: Labels, runtimeHandler = ""): Labels => ({
  ...toLabels("podsandbox", labels, annotations),
  [typeLabel]: "podsandbox",
  [containerNameLabel]: "POD",
  [runtimeHandlerLabel]: runtimeHandler,
});

export const containerLabels = (
  labels: Labels,
  annotations: Labels,
  sandboxId: string,
  logPath: string,
): Labels => ({
  ...toLabels("container", labels, annotations),
  [typeLabel]: "container",
  [sandboxIdLabel]: sandboxId,
  [logPathLabel]: logPath,
});

/**
 * Docker gives a container its image's labels as well. This says which of them are not the client's.
 * @param own the labels that the container is created with
 */
export function markInherited(own: Labels, ofImage: Labels): Labels {
  const keys = Object.keys(ofImage).filter((key) => !Object.hasOwn(own, key));
  return keys.length === 0 ? own : { ...own, [inheritedLabel]: JSON.stringify(keys) };
}

/** What a Docker container is to us; undefined for containers that are none of ours. */
export function kindOf(labels: Labels): Kind | undefined {
  const type = labels[typeLabel];
  return type === "podsandbox" || type === "container" ? type : undefined;
}

/** The CRI labels and annotations that a container was created with. */
export function fromLabels(all: Labels): { labels: Labels; annotations: Labels } {
  const kind = kindOf(all) ?? "container";
  // As entries, since a key may be "__proto__".
  const labels: [string, string][] = [];
  const annotations: [string, string][] = [];
  const inherited = inheritedKeys(all[inheritedLabel]);
  for (const [key, value] of Object.entries(all)) {
    if (internal[kind].has(key) || inherited.has(key)) continue;
    if (key.startsWith(annotationPrefix)) annotations.push([key.slice(annotationPrefix.length), value]);
    else labels.push([isEscaped(kind, key) ? key.slice(labelPrefix.length) : key, value]);
  }
  return { labels: Object.fromEntries(labels), annotations: Object.fromEntries(annotations) };
}

/** A predecessor's container can have anything here, from its image: one must not spoil a whole list. */
export function inheritedKeys(text = "[]"): ReadonlySet<unknown> {
  try {
    const keys: unknown = JSON.parse(text);
    return new Set(Array.isArray(keys) ? keys : []);
  } catch {
    return new Set();
  }
}

const toLabels = (kind: Kind, labels: Labels, annotations: Labels): Labels => ({
  ...mapKeys(labels, (key) => (needsEscape(kind, key) ? labelPrefix + key : key)),
  ...mapKeys(annotations, (key) => annotationPrefix + key),
});

const mapKeys = (map: Labels, rename: (key: string) => string): Labels =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [rename(key), value]));

/*
 * A CRI label whose key looks like one of the stored forms ("annotation.x", or an internal name) would come
 * back as something else. Such a key is stored with a prefix; so is a key that looks like a prefixed one.
 */
const withoutPrefixes = (key: string): string =>
  key.startsWith(labelPrefix) ? withoutPrefixes(key.slice(labelPrefix.length)) : key;

function needsEscape(kind: Kind, key: string): boolean {
  const bare = withoutPrefixes(key);
  return bare.startsWith(annotationPrefix) || internal[kind].has(bare);
}

const isEscaped = (kind: Kind, key: string): boolean => key.startsWith(labelPrefix) && needsEscape(kind, key);
