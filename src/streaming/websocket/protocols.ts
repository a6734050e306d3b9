/**
 * The WebSocket subprotocols of Kubernetes' remote command and port-forward (pure). Their names and what each
 * stands for are those of k8s.io/apiserver's wsstream and remotecommand packages, and of client-go.
 */
import type { Codec } from "./messages.js";

export interface CommandProtocol {
  /** Undefined when the client offered none: the answer has none then either. */
  name: string | undefined;
  codec: Codec;
  /** What the error channel carries: a JSON Status at every end, or a text and that on failure only. */
  status: "json" | "text";
  /** Whether the client can end its stdin by a message. */
  closesChannels: boolean;
}

export type ForwardProtocol =
  | { kind: "channels"; name: string | undefined; codec: Codec }
  /** The messages are the bytes of a SPDY session. */
  | { kind: "tunnel"; name: string };

const command = (
  name: string | undefined,
  codec: Codec,
  status: CommandProtocol["status"],
  closesChannels = false,
): CommandProtocol => ({ name, codec, status, closesChannels });

/** For exec and attach. */
export const commandProtocols: readonly CommandProtocol[] = [
  command("v5.channel.k8s.io", "binary", "json", true),
  command("v4.channel.k8s.io", "binary", "json"),
  command("v4.base64.channel.k8s.io", "base64", "json"),
  command("channel.k8s.io", "binary", "text"),
  command("base64.channel.k8s.io", "base64", "text"),
  command(undefined, "binary", "text"),
];

/** For port-forward. `channel.k8s.io` without a version is not among them, as with the others' servers. */
export const forwardProtocols: readonly ForwardProtocol[] = [
  { kind: "tunnel", name: "SPDY/3.1+portforward.k8s.io" },
  // The tunnel's name in the documentation, and of early clients.
  { kind: "tunnel", name: "v2.portforward.k8s.io" },
  { kind: "channels", name: "v4.channel.k8s.io", codec: "binary" },
  { kind: "channels", name: "v4.base64.channel.k8s.io", codec: "base64" },
  { kind: "channels", name: undefined, codec: "binary" },
];

/** The first that is offered and supported; undefined, for a 403, when some are offered but none is. */
export function choose<P extends { name: string | undefined }>(
  offered: readonly string[],
  supported: readonly P[],
): P | undefined {
  if (offered.length === 0) return supported.find(({ name }) => name === undefined);
  for (const wanted of offered) {
    const found = supported.find(({ name }) => name === wanted);
    if (found) return found;
  }
  return undefined;
}
