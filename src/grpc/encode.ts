/**
 * Replies put together from the bytes of their parts. An encoded message is the concatenation of its encoded fields,
 * and a repeated field that of its items (protobuf.dev, "Encoding"), so what is frozen is encoded once: a list of
 * containers that have not changed is copied, not encoded.
 */
type Serialize = (reply: object) => Buffer;

const isFrozenMessage = (value: unknown): value is object =>
  typeof value === "object" && value !== null && Object.isFrozen(value);

/** @returns the messages of a field that never change; undefined where there is anything else in it */
function frozenMessages(value: unknown): readonly object[] | undefined {
  if (isFrozenMessage(value) && !Array.isArray(value)) return [value];
  return Array.isArray(value) && value.every(isFrozenMessage) ? value : undefined;
}

/**
 * A serializer that gives the same message as `serialize`, and keeps the bytes of each frozen message in it for as long
 * as that lives. Whoever freezes a message promises that nothing below it changes either.
 */
export function joining(serialize: Serialize): Serialize {
  const known = new Map<string, WeakMap<object, Buffer>>();

  const bytesOf = (field: string, message: object, isList: boolean): Buffer => {
    const ofField = known.get(field) ?? new WeakMap<object, Buffer>();
    known.set(field, ofField);
    const before = ofField.get(message);
    if (before) return before;
    const bytes = serialize({ [field]: isList ? [message] : message });
    ofField.set(message, bytes);
    return bytes;
  };

  return (reply) => {
    const parts: Buffer[] = [];
    const rest: [string, unknown][] = [];
    for (const [field, value] of Object.entries(reply)) {
      const messages = frozenMessages(value);
      if (!messages) rest.push([field, value]);
      else for (const message of messages) parts.push(bytesOf(field, message, Array.isArray(value)));
    }
    if (parts.length === 0) return serialize(reply);
    if (rest.length > 0) parts.push(serialize(Object.fromEntries(rest)));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
}
