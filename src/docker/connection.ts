/** Calls to a Docker daemon's HTTP API: versions, limits of time, and errors in our own words. */
import { Agent } from "node:http";
import type { Socket } from "node:net";
import { finished, type Duplex, type Readable } from "node:stream";
import { inspect } from "node:util";
import Docker from "dockerode";
import { olderOf } from "./api-version.js";
import type { EngineVersion, RegistryAuth } from "./engine.js";
import { fromDocker } from "./errors.js";
import { HijackedConnection } from "./hijacked.js";

/** The newest Engine API whose shapes this code was tested with; an older daemon is spoken to in its own. */
const newestApi = "1.51";

export interface Call {
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

/** @param requestTimeout milliseconds that a call for JSON may take, unless it says otherwise */
export function connectDocker({
  socketPath,
  requestTimeout,
}: {
  socketPath: string;
  requestTimeout: number;
}) {
  // As many as there are inspects at once at the start: for both lists, and in the background.
  const agent = unprinted(new Agent({ keepAlive: true, maxFreeSockets: 40 }));
  const modem = new Docker({ socketPath, version: "" }).modem as unknown as Modem;
  modem.agent = agent;
  let negotiated: Promise<string> | undefined;

  const version = (signal?: AbortSignal): Promise<EngineVersion> =>
    fetchJson("GET", "/version", { doing: "read the engine's version", signal, unversioned: true });

  /** Version prefix for paths; asked once, and again after the daemon could not be reached. */
  const versionPrefix = (): Promise<string> =>
    (negotiated ??= version().then(({ ApiVersion }) => `/v${olderOf(ApiVersion, newestApi)}`));

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
      return await readAll(stream);
    } catch (error) {
      throw fromDocker(call.doing, error, call.signal);
    }
  }

  const fetchJson = async <T>(method: string, path: string, call: Call): Promise<T> =>
    JSON.parse((await send(method, path, { timeout: requestTimeout, ...call })).toString()) as T;
  const act = async (method: string, path: string, call: Call): Promise<void> =>
    void (await send(method, path, call));

  return { version, open, hijack, fetchJson, act };
}

const dial = (modem: Modem, options: object): Promise<Readable> =>
  new Promise((resolve, reject) => {
    modem.dial(options, (error, stream) => {
      if (error) reject(error);
      else resolve(stream);
    });
  });

/** What stream/consumers does by an iterator and a Blob, which takes longer than all else that an inspect needs. */
const readAll = (stream: Readable): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    finished(stream, (error) => {
      if (error) reject(error);
      else resolve(Buffer.concat(chunks));
    });
  });

/**
 * docker-modem makes a text of each request's options, for a debug log that is hardly ever on, with all that hangs
 * on them: the agent's sockets, their parsers, every other request. Fifty at once kept the process busy for a minute.
 */
const unprinted = <T extends object>(value: T): T =>
  Object.defineProperty(value, inspect.custom, { value: () => value.constructor.name });

/** The caller's signal and a time limit as one; undefined when there is neither. */
function joinSignals(signal: AbortSignal | undefined, timeout: number | undefined): AbortSignal | undefined {
  if (timeout === undefined) return signal;
  const limit = AbortSignal.timeout(timeout);
  return unprinted(signal ? AbortSignal.any([signal, limit]) : limit);
}
