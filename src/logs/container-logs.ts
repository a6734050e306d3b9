/** What becomes of a container's output: the two formats, as the containers' life sees them. */
import type { ContainerInspect } from "../docker/engine.js";
import type { LogProgress } from "./messages.js";

export interface ContainerLogs {
  /** How Docker is told to keep a container's output. */
  readonly driver: { Type: string; Config: Record<string, string> };
  /** Before the start: makes what the output will go to. @throws CriError when that cannot be */
  prepare(container: ContainerInspect): Promise<void>;
  /** After the start, where there is something to be done then. */
  started?(container: ContainerInspect): Promise<void>;
  /**
   * Looks at a container as it is now: follows one that runs, and resolves for one that has ended when all it said
   * can be read, or that takes too long. Never rejects.
   */
  seen(container: ContainerInspect): Promise<void>;
  /** @throws CriError; no new file was made then */
  reopen(container: ContainerInspect): Promise<void>;
  /** We have removed the container. */
  removed(container: ContainerInspect): Promise<void>;
  /** The container is no more, whoever removed it. Never rejects. */
  gone(id: string): Promise<void>;
  /** Forgets what it knows of containers that are not among these: all that there are now. Never rejects. */
  keepOnly(ids: ReadonlySet<string>): Promise<void>;
  /** How far the logs are; undefined when we do not write them. */
  progress(): Promise<LogProgress | undefined>;
  close(): Promise<void>;
}
