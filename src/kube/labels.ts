/**
 * How CRI labels and annotations are kept in Docker's labels, in the words of dockershim and cri-dockerd.
 */

export const typeLabel = "io.kubernetes.docker.type";
export const sandboxIdLabel = "io.kubernetes.sandbox.id";
export const logPathLabel = "io.kubernetes.container.logpath";
/** A CRI label that the kubelet sets on containers; ours, with the value POD, on sandboxes. */
export const containerNameLabel = "io.kubernetes.container.name";

export type Kind = "podsandbox" | "container";
export type Labels = Readonly<Record<string, string>>;

const annotationPrefix = "annotation.";
const labelPrefix = "label.";
const internal = new Set([typeLabel, sandboxIdLabel, logPathLabel]);

export const sandboxLabels = (labels: Labels, annotations: Labels): Labels => ({
  ...toLabels(labels, annotations),
  [typeLabel]: "podsandbox",
  [containerNameLabel]: "POD",
});

export const containerLabels = (
  labels: Labels,
  annotations: Labels,
  sandboxId: string,
  logPath: string,
): Labels => ({
  ...toLabels(labels, annotations),
  [typeLabel]: "container",
  [sandboxIdLabel]: sandboxId,
  [logPathLabel]: logPath,
});

/** What a Docker container is to us; undefined for containers that are none of ours. */
export function kindOf(labels: Labels): Kind | undefined {
  const type = labels[typeLabel];
  return type === "podsandbox" || type === "container" ? type : undefined;
}

/** The CRI labels and annotations that a container was created with. */
export function fromLabels(all: Labels): { labels: Labels; annotations: Labels } {
  const labels: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  const sandbox = all[typeLabel] === "podsandbox";
  for (const [key, value] of Object.entries(all)) {
    if (internal.has(key) || (sandbox && key === containerNameLabel)) continue;
    if (key.startsWith(annotationPrefix)) annotations[key.slice(annotationPrefix.length)] = value;
    else labels[isEscaped(key) ? key.slice(labelPrefix.length) : key] = value;
  }
  return { labels, annotations };
}

const toLabels = (labels: Labels, annotations: Labels): Labels => ({
  ...mapKeys(labels, (key) => (needsEscape(key) ? labelPrefix + key : key)),
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

function needsEscape(key: string): boolean {
  const bare = withoutPrefixes(key);
  return bare.startsWith(annotationPrefix) || internal.has(bare);
}

const isEscaped = (key: string): boolean => key.startsWith(labelPrefix) && needsEscape(key);
