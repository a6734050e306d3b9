/** Exec, Attach and PortForward: what the RPCs hand out, and who serves the connection that follows. */
import { requireRunning } from "../containers/running.js";
import type { Engine } from "../docker/engine.js";
import { CriError } from "../errors.js";
import type { Inventory } from "../inventory/inventory.js";
import { runAttach } from "./attach.js";
import type { CommandClient, CommandWants } from "./command.js";
import { runExec, type ExecDependencies } from "./exec.js";
import type { PodDialer } from "./pod-network/dialer.js";
import { serveForward, type Dial } from "./port-forward.js";
import { toStatusForms, type StatusForms } from "./result.js";
import type { StreamingServer, Upgrade } from "./server.js";
import { acceptSpdyCommand } from "./spdy-command.js";
import { acceptCommand as acceptWebSocketCommand } from "./websocket/command.js";

export interface StreamingDependencies {
  engine: ExecDependencies["engine"] &
    Pick<Engine, "attachContainer" | "inspectContainer" | "resizeContainer">;
  inventory: Pick<Inventory, "get">;
  server: StreamingServer;
  dialer: Pick<PodDialer, "dial">;
  signalSession: ExecDependencies["signalSession"];
  log: ExecDependencies["log"];
  /** Milliseconds without traffic after which a session is ended; 0 for never. */
  idleTimeout: number;
  /** Milliseconds that a client may take to open the streams it needs. */
  creationTimeout: number;
}

/** The life of a session that a grant begins: from the client's handshake to the end of its command. */
type Run = (client: CommandClient) => Promise<void>;

export class Streaming {
  constructor(private readonly deps: StreamingDependencies) {}

  /** @returns the URL that the client goes on at */
  async exec(containerId: string, cmd: string[], wants: CommandWants): Promise<string> {
    checkWants(wants);
    const container = await this.#runningContainer(containerId);
    const doing = "executing command in container";
    const request = { containerId: container.Id, cmd, ...wants };
    return this.#commandUrl("exec", wants, doing, container.Id, (client) =>
      runExec(this.deps, request, client),
    );
  }

  /** @returns the URL that the client goes on at */
  async attach(containerId: string, wants: CommandWants): Promise<string> {
    checkWants(wants);
    const container = await this.#runningContainer(containerId);
    const request = { containerId: container.Id, ...wants };
    return this.#commandUrl("attach", wants, "attaching to container", container.Id, (client) =>
      runAttach(this.deps, request, client),
    );
  }

  /**
   * @param ports for clients that name them in the RPC; others name them when they connect
   * @returns the URL that the client goes on at
   */
  async portForward(sandboxId: string, ports: number[]): Promise<string> {
    const { inventory, server, idleTimeout, creationTimeout } = this.deps;
    const wrong = ports.find((port) => port < 1 || port > 65535);
    if (wrong !== undefined) throw new CriError("invalid", `port ${wrong} is not a port`);
    const { Id } = await inventory.get("podsandbox", sandboxId);
    const serve = (upgrade: Upgrade): Promise<void> =>
      serveForward(upgrade, { ports, dial: this.#dialerOf(Id), idleTimeout, creationTimeout });
    return server.url({ kind: "portforward", about: { podSandboxId: Id }, serve });
  }

  #commandUrl(
    kind: "exec" | "attach",
    wants: CommandWants,
    doing: string,
    containerId: string,
    run: Run,
  ): string {
    const { server, idleTimeout, creationTimeout } = this.deps;
    const statusOf = (result: Parameters<CommandClient["finish"]>[0]): StatusForms =>
      toStatusForms(result, doing);
    const serve = async ({ request, socket, head, transport }: Upgrade): Promise<void> => {
      const client =
        transport === "websocket"
          ? await acceptWebSocketCommand(request, socket, head, { wants, statusOf, idleTimeout })
          : await acceptSpdyCommand(request, socket, head, { wants, statusOf, idleTimeout, creationTimeout });
      if (client) await run(client);
    };
    return server.url({ kind, about: { containerId }, serve });
  }

  /** Asks at every connection anew where the pod is: it may have been restarted. */
  #dialerOf(sandboxId: string): Dial {
    const { inventory, dialer } = this.deps;
    return async (port, signal) => {
      const { Id, State, HostConfig } = await inventory.get("podsandbox", sandboxId);
      if (!State.Running) throw new CriError("failedPrecondition", `pod sandbox ${Id} is not running`);
      const onHost = HostConfig.NetworkMode === "host";
      return await dialer.dial(
        onHost ? { kind: "host" } : { kind: "pod", pid: State.Pid, key: Id },
        port,
        signal,
      );
    };
  }

  async #runningContainer(id: string) {
    const container = await this.deps.inventory.get("container", id);
    requireRunning(container);
    return container;
  }
}

/** The rules of the kubelet's own streaming library. */
function checkWants({ stdin, stdout, stderr, tty }: CommandWants): void {
  if (tty && stderr)
    throw new CriError("invalid", "tty and stderr cannot both be true: a terminal has one output");
  if (!stdin && !stdout && !stderr)
    throw new CriError("invalid", "one of stdin, stdout and stderr must be true");
}
