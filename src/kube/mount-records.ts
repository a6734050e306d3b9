/**
 * What a container's mounts were asked to be, kept in a label for those of them that Docker does not know in full: that
 * is what statuses report, and what such a mount is made from when the container starts.
 */
import { inheritedKeys, inheritedLabel, mountsLabel, type Labels } from "./labels.js";

export interface MountRecord {
  containerPath: string;
  /** Of an image volume: undefined. */
  hostPath?: string;
  image?: ImageVolume;
  readonly: boolean;
  recursiveReadOnly: boolean;
  /** Mount options beside "ro". */
  options: string[];
  propagation: "rprivate" | "rslave" | "rshared";
  /** Where we make the mount for Docker to bind; undefined where Docker makes it. */
  prepared?: string;
}

export interface ImageVolume {
  /** As it was asked for. */
  image: string;
  userSpecifiedImage: string;
  id: string;
  /** Relative; empty for the whole image. */
  subPath: string;
}

/** No label where there is nothing to keep. */
export const toMountsLabel = (records: MountRecord[]): Labels =>
  records.length === 0 ? {} : { [mountsLabel]: JSON.stringify(records) };

/**
 * The records of a container with these labels. A label that came with the image is none of ours, and one that is not
 * understood must not spoil a whole list.
 */
export function fromMountsLabel(labels: Labels): MountRecord[] {
  const text = labels[mountsLabel];
  if (text === undefined || inheritedKeys(labels[inheritedLabel]).has(mountsLabel)) return [];
  try {
    const records: unknown = JSON.parse(text);
    return Array.isArray(records) ? records.filter(isRecord) : [];
  } catch {
    return [];
  }
}

const isRecord = (value: unknown): value is MountRecord => {
  if (typeof value !== "object" || value === null) return false;
  const { containerPath, hostPath, image, options } = value as Partial<MountRecord>;
  return (
    typeof containerPath === "string" &&
    Array.isArray(options) &&
    (typeof hostPath === "string" || typeof image?.id === "string")
  );
};
