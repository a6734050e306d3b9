/** --network-plugin=cni: sandboxes without a network of Docker's, attached by CNI plugins. */
import type { ContainerInspect, Engine } from "../../docker/engine.js";
import { isKind, messageOf } from "../../errors.js";
import type { Log } from "../../log.js";
import { mapLimited } from "../../waiting.js";
import type {
  NetworkRequest,
  NetworkStatus,
  PodNetwork,
  SandboxNetwork,
  SandboxProcess,
} from "../pod-network.js";
import type { Attachment, Chain } from "./chain.js";
import type { ConfDirectory } from "./conf-directory.js";
import { isAtLeast, type Json } from "./conf.js";
import { checkAgainstHost, checkAgainstPods, hostPortsOf } from "./host-ports.js";
import type { NetworkNamespaces } from "./netns.js";
import type { Plugins } from "./plugins.js";
import type { PodCidrs } from "./pod-cidrs.js";
import type { AttachmentRecord, AttachmentRecords } from "./records.js";
import { interfaceName, toAttachmentRequest } from "./request.js";
import { podAddresses, podIpNets, type CniResult } from "./result.js";
import { Turns } from "./turns.js";

export interface CniNetworkDependencies {
  engine: Pick<Engine, "inspectContainer">;
  confs: ConfDirectory;
  plugins: Pick<Plugins, "close">;
  chain: Chain;
  records: AttachmentRecords;
  namespaces: NetworkNamespaces;
  podCidrs: PodCidrs;
  /** Which engine this is, so that another one's pods are left alone. */
  engineId: () => Promise<string>;
  /** Whether new pods are on CNI networks: else no configuration is looked for. */
  collectsGarbage: boolean;
  log: Log;
}

/** Leftovers that are removed at the same time. */
const concurrentLeftovers = 4;

export class CniNetwork implements PodNetwork {
  readonly #turns = new Turns();

  constructor(private readonly deps: CniNetworkDependencies) {}

  async status(): Promise<NetworkStatus> {
    const { confs, chain } = this.deps;
    try {
      await chain.status(await confs.current());
      return { ready: true, reason: "", message: "" };
    } catch (error) {
      return { ready: false, reason: "NetworkPluginNotReady", message: messageOf(error) };
    }
  }

  setPodCidrs(cidrs: string[]): Promise<void> {
    return this.deps.podCidrs.set(cidrs);
  }

  async plan(request: NetworkRequest): Promise<SandboxNetwork> {
    toAttachmentRequest("", request, []);
    await this.deps.confs.current();
    return { mode: "none", ports: [] };
  }

  setUp({ id, pid }: SandboxProcess, request: NetworkRequest, signal: AbortSignal): Promise<void> {
    return this.#turns.forPod(id, async () => {
      const { confs, namespaces, podCidrs, engineId, log } = this.deps;
      const record: AttachmentRecord = {
        ...toAttachmentRequest(id, request, podCidrs.current()),
        conf: await confs.current(),
        netns: namespaces.pathOf(id),
        result: undefined,
        partial: true,
        engine: await engineId(),
      };
      try {
        await this.#attach(record, pid, signal);
      } catch (error) {
        // Refused before anything was done, there is no record.
        await this.#detach(id).catch((failure: unknown) => {
          log.warn("what was made of a pod's network could not be taken back", {
            sandboxId: id,
            error: failure,
          });
        });
        throw error;
      }
    });
  }

  async restart({ Id: sandboxId }: ContainerInspect): Promise<(process: SandboxProcess) => Promise<void>> {
    const record = this.deps.records.get(sandboxId);
    if (!record) return () => Promise.resolve();
    const begun = await this.#turns.forPod(sandboxId, () => this.#detachToRestart(record));
    return ({ pid }) => this.#turns.forPod(sandboxId, () => this.#attachAgain(begun, pid));
  }

  tearDown(sandboxId: string): Promise<void> {
    return this.#turns.forPod(sandboxId, () => this.#detach(sandboxId));
  }

  addresses({ Id, State }: ContainerInspect): string[] {
    const record = this.deps.records.get(Id);
    return State.Running && record?.result && !record.partial ? podAddresses(record.result) : [];
  }

  async check({ Id }: ContainerInspect): Promise<string | undefined> {
    const record = this.deps.records.get(Id);
    if (!record?.result || record.partial) return "the pod is attached to no network";
    try {
      await this.deps.chain.check(record.conf, await this.#attachmentOf(record), record.result);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  async keepOnly(sandboxIds: ReadonlySet<string>): Promise<void> {
    const { records, engineId, log } = this.deps;
    try {
      const engine = await engineId();
      const unknown = records.all().filter(({ containerId }) => !sandboxIds.has(containerId));
      for (const { containerId } of unknown.filter((record) => record.engine === undefined)) {
        // A predecessor's, of this engine or of another one: not ours to be removed, and nobody's whose ports count.
        records.forget(containerId);
      }
      const leftovers = unknown.filter((record) => record.engine === engine);
      await mapLimited(leftovers, concurrentLeftovers, (record) => this.#detachLeftover(record));
      if (this.deps.collectsGarbage) await this.#collectGarbage();
    } catch (error) {
      log.warn("leftovers of the pods' network may have stayed", { error });
    }
  }

  close(): Promise<void> {
    this.deps.confs.close();
    this.deps.plugins.close();
    return Promise.resolve();
  }

  /** The record is there before anything is done, so that a crash in the middle leaves nothing unknown. */
  async #attach(record: AttachmentRecord, pid: number, signal: AbortSignal): Promise<void> {
    const { records, namespaces, chain } = this.deps;
    const ports = hostPortsOf(record.capabilityArgs);
    // In one turn: of two pods that ask at the same time one gets the port.
    checkAgainstPods(ports, this.#portsOfOthers(record.containerId));
    await records.save(record);
    try {
      await checkAgainstHost(ports);
    } catch (error) {
      await records.remove(record);
      throw error;
    }
    await namespaces.pin(record.containerId, pid);
    const progress = (result: CniResult) => records.save({ ...record, result });
    const result = await chain.add(record.conf, record, progress, signal);
    await records.save({ ...record, result, partial: false });
  }

  async #detach(sandboxId: string): Promise<void> {
    const { records } = this.deps;
    const record = records.get(sandboxId);
    if (!record) return;
    await this.#takeBack(record);
    await records.remove(record);
  }

  async #takeBack(record: AttachmentRecord): Promise<void> {
    const { chain, namespaces } = this.deps;
    await chain.del(record.conf, await this.#attachmentOf(record), record);
    await namespaces.unpin(record.containerId);
  }

  /** The record stays, since it says what the pod asked for. */
  async #detachToRestart(record: AttachmentRecord): Promise<AttachmentRecord> {
    const { engineId, namespaces, records } = this.deps;
    await this.#takeBack(record);
    const formerIps = record.result && !record.partial ? podIpNets(record.result) : record.formerIps;
    const begun: AttachmentRecord = {
      ...record,
      result: undefined,
      partial: true,
      netns: namespaces.pathOf(record.containerId),
      engine: await engineId(),
      ...(formerIps ? { formerIps } : {}),
    };
    await records.save(begun);
    return begun;
  }

  /** With the old addresses, or with others where somebody else has these or the plugins do not hear of them. */
  async #attachAgain(record: AttachmentRecord, pid: number): Promise<void> {
    const { records, log } = this.deps;
    const { containerId, formerIps = [] } = record;
    const { ips: _, ...asked } = record.capabilityArgs;
    const wishes = formerIps.length > 0 ? [{ ...asked, ips: formerIps }, asked] : [asked];
    let refusal: unknown;
    for (const capabilityArgs of wishes) {
      const again = { ...record, capabilityArgs };
      try {
        await this.#attach(again, pid, new AbortController().signal);
        return;
      } catch (error) {
        refusal = error;
        log.info("a sandbox that was started again is not attached", {
          sandboxId: containerId,
          formerIps,
          error,
        });
      }
      // As far as it came.
      await this.#takeBack(records.get(containerId) ?? again);
    }
    // What the pod asked for is not forgotten: it may be started once more.
    await records.save(record);
    throw refusal;
  }

  async #collectGarbage(): Promise<void> {
    const { confs, chain, records } = this.deps;
    // That there is none is told by the status.
    const conf = await confs.current().catch(() => undefined);
    if (!conf || !isAtLeast(conf.cniVersion, "1.1.0")) return;
    await this.#turns.alone(() => {
      const valid = records.all().filter((record) => record.conf.name === conf.name);
      return chain.gc(
        conf,
        valid.map(({ containerId }) => ({ containerID: containerId, ifname: interfaceName })),
      );
    });
  }

  async #detachLeftover(record: AttachmentRecord): Promise<void> {
    const { engine, log } = this.deps;
    const sandboxId = record.containerId;
    try {
      // The list may be older than the sandbox.
      const gone = await engine.inspectContainer(sandboxId).then(
        () => false,
        (error: unknown) => isKind(error, "notFound"),
      );
      if (!gone) return;
      await this.tearDown(sandboxId);
      log.info("the network of a sandbox that has gone was removed", { sandboxId });
    } catch (error) {
      log.warn("the network of a sandbox that has gone could not be removed", { sandboxId, error });
    }
  }

  async #attachmentOf(record: AttachmentRecord): Promise<Attachment> {
    return { ...record, netns: await this.#namespaceOf(record) };
  }

  /** The pinned one; else the sandbox's own while it runs, as for those that a predecessor made; else none. */
  async #namespaceOf({ containerId }: AttachmentRecord): Promise<string> {
    const { engine, namespaces } = this.deps;
    if (await namespaces.isPinned(containerId)) return namespaces.pathOf(containerId);
    const pid = await engine.inspectContainer(containerId).then(
      ({ State }) => State.Pid,
      (error: unknown) => {
        if (isKind(error, "notFound")) return 0;
        throw error;
      },
    );
    return pid > 0 ? `/proc/${pid}/ns/net` : "";
  }

  *#portsOfOthers(sandboxId: string): Iterable<{ holder: string; ports: ReturnType<typeof hostPortsOf> }> {
    for (const { containerId, args, capabilityArgs } of this.deps.records.all()) {
      if (containerId === sandboxId) continue;
      const { K8S_POD_NAMESPACE: namespace = "", K8S_POD_NAME: name = containerId } = Object.fromEntries(
        args,
      ) as Json;
      yield { holder: `${String(namespace)}/${String(name)}`, ports: hostPortsOf(capabilityArgs) };
    }
  }
}
