/** A client at the streams of a container's own process. */
import { outputOf } from "../docker/demux.js";
import type { Engine } from "../docker/engine.js";
import { CriError, isKind } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import { conclude, type CommandClient, type CommandResult, type CommandWants } from "./command.js";
import { deliverTo, feedFrom } from "./deliver.js";
import { Resizer } from "./resize.js";

export interface AttachRequest extends CommandWants {
  containerId: string;
}

export interface AttachDependencies {
  engine: Pick<Engine, "attachContainer" | "inspectContainer" | "resizeContainer">;
  inventory: Pick<Inventory, "get">;
}

/** Stays until the container or the client ends, and tells the client. Never rejects. */
export const runAttach = (
  deps: AttachDependencies,
  request: AttachRequest,
  client: CommandClient,
): Promise<void> => conclude(client, watchAttach(deps, request, client));

async function watchAttach(
  { engine, inventory }: AttachDependencies,
  { containerId, ...wants }: AttachRequest,
  client: CommandClient,
): Promise<CommandResult> {
  const { Config, State } = await inventory.get("container", containerId);
  if (!State.Running) throw new CriError("failedPrecondition", `container ${containerId} is not running`);
  const stream = await engine.attachContainer(containerId, wants);
  // The container decides what the stream is like, whatever the client asked for.
  const resizer = new Resizer((size) => engine.resizeContainer(containerId, size));
  if (Config.Tty) client.onResize((size) => resizer.set(size));
  resizer.start();
  const stop = () => stream.destroy();
  client.gone.addEventListener("abort", stop, { once: true });
  if (client.gone.aborted) stop();
  const deliver = deliverTo(client);
  try {
    // Docker closes the process's stdin at the end of ours only with StdinOnce and without a terminal; else
    // it would end the output instead, so the end of the input is kept to ourselves.
    feedFrom(client, stream, Config.StdinOnce && !Config.Tty);
    for await (const chunk of outputOf(stream, { tty: Config.Tty })) await deliver(chunk);
  } catch (error) {
    if (!client.gone.aborted) throw error;
  } finally {
    client.gone.removeEventListener("abort", stop);
    client.stdin?.unpipe(stream);
    stream.destroy();
  }
  client.gone.throwIfAborted();
  // A daemon that is killed ends its connections as orderly as a process that has closed its output.
  await engine.inspectContainer(containerId).catch((error: unknown) => {
    if (!isKind(error, "notFound")) throw error;
  });
  return { kind: "exited", code: 0 };
}
