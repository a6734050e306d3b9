/**
 * How pods get their network: Docker's bridge or CNI plugins. A sandbox keeps what it was made with; the
 * --network-plugin flag chooses for new ones.
 */
import type { ContainerInspect } from "../docker/engine.js";
import type { PortMapping } from "./port-mapping.js";

export interface NetworkStatus {
  ready: boolean;
  /** CamelCase and a sentence, as RuntimeCondition wants them; empty when ready. */
  reason: string;
  message: string;
}

/** What a pod's config says of its network. */
export interface NetworkRequest {
  metadata: { name: string; namespace: string; uid: string };
  annotations: Record<string, string>;
  ports: PortMapping[];
  /** undefined: the engine's own. */
  dns: { servers: string[]; searches: string[]; options: string[] } | undefined;
}

/** The process that holds a sandbox's namespaces, as the host sees it. */
export interface SandboxProcess {
  id: string;
  pid: number;
}

export interface PodNetwork {
  /** Whether a pod could get its network now. Never rejects. */
  status(): Promise<NetworkStatus>;
  /** A network of Docker's has come or gone, or may have; for who uses them. */
  changed?(): void;
  /**
   * The ranges that pods get their addresses from, IPv4, IPv6 or both, as "10.1.0.0/24".
   * @throws CriError failedPrecondition when pods are in the way of a change
   */
  setPodCidrs(cidrs: string[]): Promise<void>;
  /**
   * Checks what a new pod asks for, before anything of it is made.
   * @returns the NetworkMode and port bindings that its sandbox is to be created with
   * @throws CriError invalid for what cannot be had, failedPrecondition when no pod can be run now
   */
  plan(request: NetworkRequest): Promise<SandboxNetwork>;
  /**
   * After the first start of a sandbox. When it throws, what was made of the network has been taken back; where that
   * failed as well, `tearDown` has to be called again.
   */
  setUp(sandbox: SandboxProcess, request: NetworkRequest, signal: AbortSignal): Promise<void>;
  /**
   * Before a sandbox that had ended is started again.
   * @returns what is to be called after that start; the pod gets its old addresses where they can be had
   */
  restart(sandbox: ContainerInspect): Promise<(process: SandboxProcess) => Promise<void>>;
  /** Before a sandbox is stopped, and after it has gone otherwise. Nothing to be done is no error. */
  tearDown(sandboxId: string): Promise<void>;
  /** Every address of a running pod, the primary one first. */
  addresses(sandbox: ContainerInspect): string[];
  /** Whether the network of a running pod is as it was made: what is wrong with it, or undefined. */
  check(sandbox: ContainerInspect): Promise<string | undefined>;
  /** Removes what was left behind of sandboxes that are not among these. Never rejects. */
  keepOnly(sandboxIds: ReadonlySet<string>): Promise<void>;
  close(): Promise<void>;
}

/** What a sandbox is created with. */
export interface SandboxNetwork {
  /** Docker's NetworkMode. */
  mode: string;
  /** The ports that Docker itself is to publish. */
  ports: PortMapping[];
}
