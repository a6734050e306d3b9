import { Agent, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { inspect } from "node:util";
import Docker from "dockerode";
import { CriError } from "../errors.js";
import { readArchive } from "./archive.js";
import type { Engine, EngineEvent, EngineVersion, PullProgress, RegistryAuth } from "./engine.js";
import { fromDocker } from "./errors.js";
import { HijackedConnection } from "./hijacked.js";
import { jsonLines } from "./json-lines.js";

/** The newest Engine API whose shapes this code was tested with; an older daemon is spoken to in its own. */
const newestApi = "1.51";

/**
 * Docker looks in a terminal's input for keys that detach the client, ctrl-p ctrl-q unless told otherwise, and
 * holds the first back until the next key. Nobody types these; ctrl-^ alone is late by one key.
 */
const noDetachKeys = Array<string>(4).fill("ctrl-^,ctrl-@").join(",");

interface Call {
  /** For error messages: what we were doing. */
  doing: string;
  query?: Record<string, unknown>;
  body?: object;
  auth?: RegistryAuth | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds until the call is given up; absent for calls that may take as long as they take. */
  timeout?: number;
  hijack?: boolean;
  /** Without the version prefix, for the call that finds the version out. */
  unversioned?: boolean;
}

/** docker-modem, as far as it is used; its own types know less than it does. */
interface Modem {
  agent: Agent;
  dial(options: object, callback: (error: Error | null, stream: Readable) => void): void;
}

interface PullLine extends PullProgress {
  error?: string;
  errorDetail?: { code?: number; message?: string };
}

/**
 * The Engine port on a real daemon.
 * @param requestTimeout milliseconds that a short call may take
 */
export function dockerodeEngine({
  socketPath,
  requestTimeout,
}: {
  socketPath: string;
  requestTimeout: number;
}): Engine {
  const agent = unprinted(new Agent({ keepAlive: true, maxFreeSockets: 16 }));
  const modem = new Docker({ socketPath, version: "" }).modem as unknown as Modem;
  modem.agent = agent;
  let negotiated: Promise<string> | undefined;

  /** Version prefix for paths; asked once, and again after the daemon could not be reached. */
  const versionPrefix = (): Promise<string> =>
    (negotiated ??= engine.version().then(({ ApiVersion }) => `/v${olderOf(ApiVersion, newestApi)}`));

  async function open(method: string, path: string, call: Call): Promise<Readable> {
    const signal = joinSignals(call.signal, call.timeout);
    try {
      const prefix = call.unversioned ? "" : await versionPrefix();
      // Always as a stream: docker-modem's own buffering never answers when the daemon dies half-way.
      return await dial(modem, {
        method,
        path: `${prefix}${path}?`,
        options: { _query: call.query ?? {}, _body: call.body ?? {} },
        isStream: true,
        hijack: call.hijack ?? false,
        statusCodes: { 101: true, 200: true, 201: true, 204: true, 304: true },
        ...(call.auth ? { authconfig: call.auth } : {}),
        ...(signal ? { abortSignal: signal } : {}),
      });
    } catch (error) {
      const translated = fromDocker(call.doing, error, signal);
      if (translated.kind === "unavailable") negotiated = undefined;
      throw translated;
    }
  }

  /** With `hijack` the stream is the upgraded socket, both ways. */
  const hijack = async (method: string, path: string, call: Call): Promise<Duplex> =>
    new HijackedConnection((await open(method, path, { ...call, hijack: true })) as Socket);

  async function send(method: string, path: string, call: Call): Promise<Buffer> {
    const stream = await open(method, path, call);
    try {
      return await buffer(stream);
    } catch (error) {
      throw fromDocker(call.doing, error, call.signal);
    }
  }

  const fetchJson = async <T>(method: string, path: string, call: Call): Promise<T> =>
    JSON.parse((await send(method, path, { timeout: requestTimeout, ...call })).toString()) as T;
  const act = async (method: string, path: string, call: Call): Promise<void> =>
    void (await send(method, path, call));

  const engine: Engine = {
    info: (signal) => fetchJson("GET", "/info", { doing: "read the engine's info", signal }),
    version: (signal) =>
      fetchJson<EngineVersion>("GET", "/version", {
        doing: "read the engine's version",
        signal,
        unversioned: true,
      }),

    listContainers: (filters, signal) =>
      fetchJson("GET", "/containers/json", {
        doing: "list containers",
        query: { all: true, filters: JSON.stringify(filters) },
        signal,
      }),
    inspectContainer: (id, signal) =>
      fetchJson("GET", `/containers/${encodeURIComponent(id)}/json`, {
        doing: `inspect container ${id}`,
        signal,
      }),
    createContainer: async ({ name, ...options }, signal) => {
      const { Id } = await fetchJson<{ Id: string }>("POST", "/containers/create", {
        doing: `create container ${name ?? ""}`,
        query: { name },
        body: options,
        signal,
      });
      return { id: Id };
    },
    startContainer: (id) => act("POST", `/containers/${id}/start`, { doing: `start container ${id}` }),
    updateContainer: (id, update) =>
      act("POST", `/containers/${id}/update`, { doing: `update container ${id}`, body: { ...update } }),
    stopContainer: (id, graceSeconds) =>
      act("POST", `/containers/${id}/stop`, { doing: `stop container ${id}`, query: { t: graceSeconds } }),
    removeContainer: (id, { force }) =>
      act("DELETE", `/containers/${id}`, { doing: `remove container ${id}`, query: { force, v: true } }),
    pauseContainer: (id) => act("POST", `/containers/${id}/pause`, { doing: `pause container ${id}` }),
    unpauseContainer: (id) => act("POST", `/containers/${id}/unpause`, { doing: `unpause container ${id}` }),
    readPath: async (id, path, maxBytes) => {
      const doing = `read ${path} in container ${id}`;
      const call = { doing, query: { path }, timeout: requestTimeout };
      const reply = await open("GET", `/containers/${id}/archive`, call);
      return await readArchive(reply as IncomingMessage, maxBytes).catch((error: unknown) => {
        throw fromDocker(doing, error);
      });
    },

    createExec: async (containerId, { cmd, tty, stdin, stdout, stderr }, signal) => {
      const { Id } = await fetchJson<{ Id: string }>("POST", `/containers/${containerId}/exec`, {
        doing: `create exec in container ${containerId}`,
        body: {
          Cmd: cmd,
          Tty: tty,
          AttachStdin: stdin,
          AttachStdout: stdout,
          AttachStderr: stderr,
          DetachKeys: noDetachKeys,
        },
        signal,
      });
      return { id: Id };
    },
    startExec: (id, { tty }) =>
      hijack("POST", `/exec/${id}/start`, {
        doing: `start exec ${id}`,
        body: { Detach: false, Tty: tty },
      }),
    inspectExec: (id, signal) =>
      fetchJson("GET", `/exec/${id}/json`, { doing: `inspect exec ${id}`, signal }),

    resizeExec: (id, { width, height }) =>
      act("POST", `/exec/${id}/resize`, {
        doing: `resize exec ${id}`,
        query: { h: height, w: width },
        timeout: requestTimeout,
      }),

    attachContainer: (id, { stdin, stdout, stderr }) =>
      hijack("POST", `/containers/${id}/attach`, {
        doing: `attach to container ${id}`,
        query: { stream: true, stdin, stdout, stderr, detachKeys: noDetachKeys },
      }),
    resizeContainer: (id, { width, height }) =>
      act("POST", `/containers/${id}/resize`, {
        doing: `resize container ${id}`,
        query: { h: height, w: width },
        timeout: requestTimeout,
      }),

    createNetwork: async (options) => {
      const { Id } = await fetchJson<{ Id: string }>("POST", "/networks/create", {
        doing: `create network ${options.Name}`,
        body: options,
      });
      return { id: Id };
    },
    inspectNetwork: (reference) =>
      fetchJson("GET", `/networks/${encodeURIComponent(reference)}`, {
        doing: `inspect network ${reference}`,
      }),
    removeNetwork: (reference) =>
      act("DELETE", `/networks/${encodeURIComponent(reference)}`, {
        doing: `remove network ${reference}`,
        timeout: requestTimeout,
      }),
    connectNetwork: (reference, containerId, addresses) =>
      act("POST", `/networks/${encodeURIComponent(reference)}/connect`, {
        doing: `connect container ${containerId} to network ${reference}`,
        body: { Container: containerId, EndpointConfig: { IPAMConfig: addresses } },
        timeout: requestTimeout,
      }),
    disconnectNetwork: (reference, containerId) =>
      act("POST", `/networks/${encodeURIComponent(reference)}/disconnect`, {
        doing: `disconnect container ${containerId} from network ${reference}`,
        body: { Container: containerId },
        timeout: requestTimeout,
      }),

    listImages: (signal) => fetchJson("GET", "/images/json", { doing: "list images", signal }),
    inspectImage: (reference, signal) =>
      fetchJson("GET", `/images/${encodePath(reference)}/json`, {
        doing: `inspect image ${reference}`,
        signal,
      }),
    async *pullImage({ repository, tagOrDigest }, auth, signal) {
      const doing = `pull image ${repository}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`;
      const stream = await open("POST", "/images/create", {
        doing,
        query: { fromImage: repository, tag: tagOrDigest },
        auth,
        signal,
      });
      try {
        for await (const { error, errorDetail, ...progress } of jsonLines<PullLine>(stream)) {
          if (error !== undefined || errorDetail) {
            const status = {
              statusCode: errorDetail?.code,
              json: { message: errorDetail?.message ?? error },
            };
            throw errorDetail?.code
              ? fromDocker(doing, status)
              : new CriError("internal", `${doing}: ${errorDetail?.message ?? error}`);
          }
          yield progress;
        }
      } catch (error) {
        throw fromDocker(doing, error, signal);
      } finally {
        stream.destroy();
      }
    },
    removeImage: (reference, { force }) =>
      act("DELETE", `/images/${encodePath(reference)}`, {
        doing: `remove image ${reference}`,
        query: { force },
      }),
    diskUsage: (signal) =>
      fetchJson("GET", "/system/df", { doing: "read disk usage", query: { type: "image" }, signal }),

    events: async (filters, since, signal) => {
      const doing = "read the engine's events";
      const stream = await open("GET", "/events", {
        doing,
        query: { filters: JSON.stringify(filters), since },
        signal,
      });
      return translated(jsonLines<EngineEvent>(stream), doing, signal);
    },
  };
  return engine;
}

const dial = (modem: Modem, options: object): Promise<Readable> =>
  new Promise((resolve, reject) => {
    modem.dial(options, (error, stream) => {
      if (error) reject(error);
      else resolve(stream);
    });
  });

async function* translated<T>(
  source: AsyncIterable<T>,
  doing: string,
  signal: AbortSignal,
): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw fromDocker(doing, error, signal);
  }
}

/**
 * docker-modem makes a text of each request's options, for a debug log that is hardly ever on, with all that hangs
 * on them: the agent's sockets, their parsers, every other request. Fifty at once kept the process busy for a minute.
 */
const unprinted = (agent: Agent): Agent =>
  Object.defineProperty(agent, inspect.custom, { value: () => "agent" });

/** The caller's signal and a time limit as one; undefined when there is neither. */
function joinSignals(signal: AbortSignal | undefined, timeout: number | undefined): AbortSignal | undefined {
  if (timeout === undefined) return signal;
  const limit = AbortSignal.timeout(timeout);
  return signal ? AbortSignal.any([signal, limit]) : limit;
}

/** The lower of two "major.minor" versions. */
export function olderOf(a: string, b: string): string {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor < bMajor || (aMajor === bMajor && aMinor <= bMinor) ? a : b;
}

/** An image reference in a URL path: its slashes stay. */
const encodePath = (reference: string): string => reference.split("/").map(encodeURIComponent).join("/");
