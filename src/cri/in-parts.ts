/**
 * How many items go into one message of a streamed list. A client takes messages of 16 MiB (the kubelet's limit), and
 * an item can have 256 KiB of annotations (Kubernetes' limit for an object).
 */
const itemsPerMessage = 32;

/** The items in portions that each fit into a message; none for no items. */
export function* inParts<T>(items: readonly T[]): Generator<T[]> {
  for (let start = 0; start < items.length; start += itemsPerMessage) {
    yield items.slice(start, start + itemsPerMessage);
  }
}
