/**
 * Messages of the channel protocols (pure): each belongs to one channel, which its first byte names. As in
 * k8s.io/apiserver's wsstream package: binary has the number and the bytes; base64 is a text, a character that
 * is the number counted from "0", and the bytes in padded base64.
 */
export type Codec = "binary" | "base64";

export interface ChannelMessage {
  channel: number;
  payload: Buffer;
}

/** So much of a channel's data goes in one message: clients read into buffers of 32 KiB and a little. */
export const longestPayload: Record<Codec, number> = { binary: 32 * 1024, base64: 24 * 1024 };

/** Channels have a byte each; in a text, a character of ASCII, counted from "0". */
export const channelLimit: Record<Codec, number> = { binary: 256, base64: 0x7f - 0x30 };

/** A buffer is sent as a binary message, a string as a text. */
export function encodeMessage(codec: Codec, channel: number, payload: Buffer): Buffer | string {
  if (codec === "base64") return String.fromCharCode(0x30 + channel) + payload.toString("base64");
  const message = Buffer.allocUnsafe(1 + payload.length);
  message[0] = channel;
  payload.copy(message, 1);
  return message;
}

/**
 * The codec alone decides how a message is read, not whether it came as text or binary.
 * @returns undefined when it is no message of the codec
 */
export function decodeMessage(codec: Codec, message: Buffer): ChannelMessage | undefined {
  const payload = message.subarray(1);
  const channel = message[0] ?? 0;
  if (codec === "binary") return { channel, payload };
  const text = payload.toString("latin1");
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return { channel: channel - 0x30, payload: Buffer.from(text, "base64") };
}

/** v5: 255 and the number of a channel on which the client sends nothing any more. */
const closeSignal = 255;

/** @returns the channel that a v5 message closes; "malformed" for one that tries to; undefined for data */
export function closedChannel({ channel, payload }: ChannelMessage): number | "malformed" | undefined {
  if (channel !== closeSignal) return undefined;
  const [closed] = payload;
  return payload.length === 1 && closed !== undefined && closed <= 4 ? closed : "malformed";
}
