/** Namespace modes, as CRI asks for them and as Docker's HostConfig says them (pure). */
import { CriError } from "../errors.js";
import type { NamespaceMode__Output as NamespaceMode } from "../generated/runtime/v1/NamespaceMode.js";
import type { NamespaceOption, NamespaceOption__Output } from "../generated/runtime/v1/NamespaceOption.js";

export interface Namespaces {
  network: "POD" | "NODE";
  pid: NamespaceMode;
  ipc: "POD" | "NODE";
  /** With pid TARGET: the container whose processes are seen. */
  target: string;
}

/** @param field the option's place in the request, for errors */
export function parseNamespaces(option: NamespaceOption__Output | null, field: string): Namespaces {
  if (!option) return { network: "POD", pid: "POD", ipc: "POD", target: "" };
  const userns = option.usernsOptions;
  if (userns && userns.mode !== "NODE") {
    const kind = userns.mode === "POD" ? "unimplemented" : "invalid";
    throw new CriError(kind, `${field}.userns_options: mode ${userns.mode} is not supported; NODE is`);
  }
  if (typeof option.pid !== "string")
    throw new CriError("invalid", `${field}.pid ${String(option.pid)} is unknown`);
  if (option.pid === "TARGET" && option.targetId === "") {
    throw new CriError("invalid", `${field}.target_id is required with pid TARGET`);
  }
  return {
    network: podOrNode(option.network, `${field}.network`),
    pid: option.pid,
    ipc: podOrNode(option.ipc, `${field}.ipc`),
    target: option.targetId,
  };
}

/** What a container or sandbox was made with, from its HostConfig. */
export const fromHostConfig = (config: {
  NetworkMode: string;
  PidMode: string;
  IpcMode: string;
}): NamespaceOption => ({
  network: config.NetworkMode === "host" ? "NODE" : "POD",
  pid: config.PidMode === "host" ? "NODE" : config.PidMode === "" ? "CONTAINER" : "POD",
  ipc: config.IpcMode === "host" ? "NODE" : "POD",
});

function podOrNode(mode: NamespaceMode, field: string): "POD" | "NODE" {
  if (mode === "POD" || mode === "NODE") return mode;
  throw new CriError("invalid", `${field} is ${mode}; it can be POD or NODE`);
}
