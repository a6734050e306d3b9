import { readFile, writeFile } from "node:fs/promises";
import { createNamed } from "../containers/create-named.js";
import { removeContainer, terminate } from "../containers/end.js";
import { identify } from "../containers/identify.js";
import { readSeccomp } from "../containers/seccomp-file.js";
import type { ContainerInspect, Engine } from "../docker/engine.js";
import { CriError, isKind, messageOf, throwIfAborted } from "../errors.js";
import type { HostFacts } from "../host/facts.js";
import { runtimeOf, type RuntimeHandlers } from "../host/runtime-handlers.js";
import type { AccountFiles } from "../images/account-files.js";
import type { ImageFacts, Images } from "../images/images.js";
import type { Inventory } from "../inventory/inventory.js";
import { asksForNothing } from "../linux/identity.js";
import { sandboxName } from "../kube/names.js";
import type { Log } from "../log.js";
import type { ContainerLogs } from "../logs/container-logs.js";
import type { PodNetwork } from "../network/pod-network.js";
import { withRollback } from "../rollback.js";
import type { SandboxSpec } from "./spec.js";
import { toResolvConf, toSandboxOptions } from "./to-docker.js";

export interface PodsDependencies {
  engine: Engine;
  inventory: Inventory;
  images: Pick<Images, "ensure">;
  accounts: Pick<AccountFiles, "of">;
  network: PodNetwork;
  host: { facts(): Promise<HostFacts> };
  logs: Pick<ContainerLogs, "removed">;
  /** --pod-infra-container-image */
  sandboxImage: string;
  /** --runtime-handlers */
  runtimeHandlers: RuntimeHandlers;
  log: Log;
}

/** Seconds that the pause process has to leave; it does so at once. */
const sandboxGraceSeconds = 10;

/** The life of pod sandboxes. */
export class Pods {
  /** Names of sandboxes being made, so that a client's second try does not undo its first. */
  readonly #underWay = new Set<string>();

  constructor(private readonly deps: PodsDependencies) {}

  /** Makes and starts a sandbox; when any step fails, nothing of it is left. */
  async run(spec: SandboxSpec, signal: AbortSignal): Promise<string> {
    const name = sandboxName(spec.metadata);
    if (this.#underWay.has(name)) {
      throw new CriError("alreadyExists", `sandbox ${name} is being created by another request`);
    }
    this.#underWay.add(name);
    try {
      return await this.#create(spec, signal);
    } finally {
      this.#underWay.delete(name);
    }
  }

  async #create(spec: SandboxSpec, signal: AbortSignal): Promise<string> {
    const { engine, network, accounts, host, log, sandboxImage, runtimeHandlers } = this.deps;
    const facts = await host.facts();
    const runtime = runtimeOf(spec.runtimeHandler, runtimeHandlers, facts);
    const [podNetwork, image, seccomp] = await Promise.all([
      spec.namespaces.network === "POD" ? network.plan(spec) : undefined,
      this.#ensureImage(signal),
      readSeccomp(spec.confinement.seccomp),
    ]);
    // A pod that leaves this to the image, as most do, needs nothing to be read.
    const identity = asksForNothing(spec.identity)
      ? undefined
      : await identify(accounts, spec.identity, image, sandboxImage);
    const options = toSandboxOptions(spec, image, podNetwork, facts, { runtime, identity, seccomp });

    return withRollback(log, async (undo) => {
      throwIfAborted(signal);
      const { id } = await createNamed(engine, options);
      undo("remove the sandbox", () => this.#discard(id));
      const pid = await this.#start(id, spec.dns && toResolvConf(spec.dns));
      throwIfAborted(signal);
      if (podNetwork) await network.setUp({ id, pid }, spec, signal);
      throwIfAborted(signal);
      return id;
    });
  }

  /** Starts a sandbox that something outside stopped; CRI's own words: "by external factors". */
  async start(id: string): Promise<void> {
    const { inventory, network, engine } = this.deps;
    const sandbox = await inventory.get("podsandbox", id);
    if (sandbox.State.Running) return;
    // Docker writes a container's resolv.conf anew at every start; the pod keeps the DNS that it was run with.
    const { Id, ResolvConfPath } = sandbox;
    const resolvConf = ResolvConfPath === "" ? undefined : await readFile(ResolvConfPath, "utf8");
    const connect = await network.restart(sandbox);
    const pid = await this.#start(Id, resolvConf);
    try {
      await connect({ id: Id, pid });
    } catch (error) {
      // A sandbox without its network is not ready.
      await engine.stopContainer(Id, sandboxGraceSeconds).finally(() => inventory.touch(Id, "podsandbox"));
      throw error;
    }
  }

  /** Ends every process of the pod. Idempotent, also for ids that never were. */
  async stop(id: string): Promise<void> {
    const sandbox = await this.deps.inventory.find("podsandbox", id);
    if (sandbox) await this.#stop(sandbox);
  }

  /** Removes the sandbox and all its containers. Idempotent, also for ids that never were. */
  async remove(id: string): Promise<void> {
    const { engine, inventory, logs } = this.deps;
    const sandbox = await inventory.find("podsandbox", id);
    if (!sandbox) return;
    await this.#stop(sandbox);
    const containers = await inventory.containersOf(sandbox.Id);
    await Promise.all(containers.map((container) => removeContainer(engine, inventory, logs, container)));
    await removeContainer(engine, inventory, logs, sandbox);
  }

  /**
   * Takes back a sandbox that could not be made. What cannot be taken back of its network stays with the sandbox, which
   * the client sees then and stops and removes in its time.
   */
  async #discard(id: string): Promise<void> {
    const { engine, inventory, network } = this.deps;
    try {
      await network.tearDown(id);
    } catch (error) {
      await engine.stopContainer(id, sandboxGraceSeconds).finally(() => inventory.touch(id, "podsandbox"));
      throw error;
    }
    await engine.removeContainer(id, { force: true });
    inventory.forget(id);
  }

  /**
   * @param resolvConf undefined: the engine's own
   * @returns the pid of the sandbox's process
   */
  async #start(id: string, resolvConf: string | undefined): Promise<number> {
    const { engine, inventory } = this.deps;
    try {
      await engine.startContainer(id);
    } finally {
      inventory.touch(id, "podsandbox");
    }
    // The look that this takes is the one that the next read would take.
    const { ResolvConfPath, State } = await inventory.get("podsandbox", id);
    if (resolvConf === undefined) return State.Pid;
    // In place: the file is bind-mounted into the pod's containers, and a new inode would not be seen there.
    await writeFile(ResolvConfPath, resolvConf).catch((error: unknown) => {
      throw new CriError("internal", `the pod's DNS cannot be written: ${messageOf(error)}`, {
        cause: error,
      });
    });
    return State.Pid;
  }

  async #stop(sandbox: ContainerInspect): Promise<void> {
    const { engine, inventory, network } = this.deps;
    // CRI: running containers of the sandbox are forcibly terminated.
    const containers = await inventory.containersOf(sandbox.Id);
    await Promise.all(containers.map((container) => terminate(engine, inventory, container, 0)));
    try {
      // While the sandbox is there, so that the plugins find all that they made.
      await network.tearDown(sandbox.Id);
    } finally {
      await terminate(engine, inventory, sandbox, sandboxGraceSeconds);
    }
  }

  async #ensureImage(signal: AbortSignal): Promise<ImageFacts> {
    const { images, sandboxImage } = this.deps;
    try {
      return await images.ensure(sandboxImage, signal);
    } catch (error) {
      if (isKind(error, "unavailable") || isKind(error, "cancelled")) throw error;
      throw new CriError(
        "failedPrecondition",
        `the sandbox image ${sandboxImage} is not there and cannot be pulled (${messageOf(error)}); ` +
          "name another one with --pod-infra-container-image, or make it here with scripts/build-pause",
        { cause: error },
      );
    }
  }
}
