/** A container as the client asks for it, checked once at the edge (pure). */
import { CriError } from "../errors.js";
import type { ContainerConfig__Output } from "../generated/runtime/v1/ContainerConfig.js";
import type { Device__Output } from "../generated/runtime/v1/Device.js";
import type { KeyValue__Output } from "../generated/runtime/v1/KeyValue.js";
import type { LinuxContainerResources__Output } from "../generated/runtime/v1/LinuxContainerResources.js";
import type { LinuxContainerSecurityContext__Output } from "../generated/runtime/v1/LinuxContainerSecurityContext.js";
import type { PodSandboxConfig__Output } from "../generated/runtime/v1/PodSandboxConfig.js";
import { dockerReference } from "../images/reference.js";
import { checkNamePart, type ContainerMetadata } from "../kube/names.js";
import { parseConfinement, type Confinement } from "../linux/confinement.js";
import { parseIdentity, type IdentityRequest } from "../linux/identity.js";
import { parseNamespaces, type Namespaces } from "../linux/namespaces.js";
import { toDockerSignal } from "../linux/signals.js";
import { parseLogDirectory, toLogPath } from "../logs/path.js";
import { parseMounts, type Mount } from "./mounts.js";
import { checkResources } from "./resources.js";

export interface Security extends Confinement {
  namespaces: Namespaces;
  identity: IdentityRequest;
  addCapabilities: string[];
  dropCapabilities: string[];
  maskedPaths: string[];
  readonlyPaths: string[];
}

export interface ContainerSpec {
  metadata: ContainerMetadata;
  /** In a form that Docker takes. */
  image: string;
  command: string[];
  args: string[];
  workingDir: string;
  /** KEY=value */
  env: string[];
  mounts: Mount[];
  devices: Device__Output[];
  /** CDI names, as "vendor.com/gpu=0". */
  cdiDevices: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** Absolute; empty when no log is wanted. */
  logPath: string;
  stdin: boolean;
  stdinOnce: boolean;
  tty: boolean;
  stopSignal: string | undefined;
  resources: LinuxContainerResources__Output | undefined;
  security: Security;
}

export function parseContainerConfig(
  config: ContainerConfig__Output | null,
  sandboxConfig: PodSandboxConfig__Output | null,
): ContainerSpec {
  if (!config) throw new CriError("invalid", "config is required");
  if (!sandboxConfig) throw new CriError("invalid", "sandbox_config is required");
  if (config.windows) throw new CriError("invalid", "config.windows: this is a Linux host");
  if (!config.metadata) throw new CriError("invalid", "config.metadata is required");
  checkNamePart(config.metadata.name, "config.metadata.name");
  if (config.metadata.name === "POD")
    throw new CriError("invalid", 'config.metadata.name "POD" is the sandbox\'s own');
  if (!config.image || config.image.image === "")
    throw new CriError("invalid", "config.image.image is required");
  if (typeof config.stopSignal !== "string") {
    throw new CriError("invalid", `config.stop_signal ${String(config.stopSignal)} is unknown`);
  }
  const logDirectory = parseLogDirectory(sandboxConfig.logDirectory, "sandbox_config.log_directory");
  if (config.linux?.resources) checkResources(config.linux.resources, "config.linux.resources");
  return {
    metadata: config.metadata,
    image: dockerReference(config.image.image),
    command: config.command,
    args: config.args,
    workingDir: config.workingDir,
    env: config.envs.map((env, index) => parseEnv(env, `config.envs[${index}]`)),
    mounts: parseMounts(config.mounts, "config.mounts"),
    devices: config.devices.map((device, index) => parseDevice(device, `config.devices[${index}]`)),
    cdiDevices: config.CDIDevices.map(({ name }, index) =>
      parseCdiName(name, `config.CDI_devices[${index}]`),
    ),
    labels: config.labels,
    annotations: config.annotations,
    logPath: toLogPath(logDirectory, config.logPath),
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    stopSignal: toDockerSignal(config.stopSignal),
    resources: config.linux?.resources ?? undefined,
    security: parseSecurity(config.linux?.securityContext ?? null),
  };
}

/** Docker's JSON has no bytes, so a value must be text. */
function parseEnv({ key, value }: KeyValue__Output, field: string): string {
  if (key === "" || key.includes("=")) {
    throw new CriError("invalid", `${field}.key ${JSON.stringify(key)} cannot name a variable`);
  }
  const text = value.toString("utf8");
  if (!Buffer.from(text).equals(value)) {
    throw new CriError("invalid", `${field}: the value of ${key} is not UTF-8, and Docker takes no other`);
  }
  return `${key}=${text}`;
}

function parseDevice(device: Device__Output, field: string): Device__Output {
  if (device.hostPath === "") throw new CriError("invalid", `${field}.host_path is required`);
  if (!/^[rwm]*$/.test(device.permissions)) {
    throw new CriError(
      "invalid",
      `${field}.permissions ${JSON.stringify(device.permissions)} may have r, w and m only`,
    );
  }
  return device;
}

/** vendor/class=device, as the Container Device Interface names devices. */
function parseCdiName(name: string, field: string): string {
  if (/^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*=[a-zA-Z0-9][\w.:-]*$/.test(name)) return name;
  throw new CriError(
    "invalid",
    `${field}.name ${JSON.stringify(name)} is no CDI device, as vendor.com/class=name`,
  );
}

function parseSecurity(security: LinuxContainerSecurityContext__Output | null): Security {
  const field = "config.linux.security_context";
  const capabilities = security?.capabilities;
  if (capabilities && capabilities.addAmbientCapabilities.length > 0) {
    throw new CriError(
      "unimplemented",
      `${field}.capabilities.add_ambient_capabilities are not supported by Docker`,
    );
  }
  return {
    ...parseConfinement(security, field),
    namespaces: parseNamespaces(security?.namespaceOptions ?? null, `${field}.namespace_options`),
    identity: parseIdentity(security, field),
    addCapabilities: capabilities?.addCapabilities ?? [],
    dropCapabilities: capabilities?.dropCapabilities ?? [],
    maskedPaths: security?.maskedPaths ?? [],
    readonlyPaths: security?.readonlyPaths ?? [],
  };
}
