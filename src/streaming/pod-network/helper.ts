/**
 * The program that runs inside a pod's network namespace, as a child of the server. It opens connections to
 * localhost there and hands the sockets to its parent, without reading a byte of them. It ends when the
 * parent does, however that ends, because the channel to it closes then; the parent ends it in all other
 * cases. It stays as small as it is because there is one for each pod that is being forwarded to.
 */
import { connectLocalhost, type ConnectOutcome } from "./connect.js";
import type { HelperReply, HelperRequest } from "./messages.js";

const dials = new Map<number, AbortController>();

process.on("disconnect", () => process.exit());
process.on("message", (message) => {
  // Only the parent writes to the channel.
  const request = message as HelperRequest;
  if (request.kind === "cancel") dials.get(request.id)?.abort();
  else void dial(request.id, request.port);
});

async function dial(id: number, port: number): Promise<void> {
  const abort = new AbortController();
  dials.set(id, abort);
  try {
    answer(id, await connectLocalhost(port, { signal: abort.signal, unread: true }));
  } catch {
    // Cancelled: nobody waits for an answer.
  } finally {
    dials.delete(id);
  }
}

/**
 * Node sends one socket at a time, the next when the parent has confirmed the last, and keeps the others in
 * order meanwhile. Without keepOpen our own descriptor is closed on that confirmation.
 */
function answer(id: number, outcome: ConnectOutcome): void {
  const refused = "code" in outcome;
  const reply: HelperReply = refused ? { id, code: outcome.code } : { id };
  const socket = refused ? undefined : outcome.socket;
  // A channel that fails is a parent that has gone, and "disconnect" follows.
  process.send?.(reply, socket, { keepOpen: false }, () => undefined);
}
