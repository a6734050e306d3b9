import type { IncomingMessage } from "node:http";
import { CriError } from "../errors.js";
import { readArchive } from "./archive.js";
import { connectDocker } from "./connection.js";
import type { Engine, EngineEvent, PullProgress } from "./engine.js";
import { fromDocker } from "./errors.js";
import { jsonLines } from "./json-lines.js";

/**
 * Docker looks in a terminal's input for keys that detach the client, ctrl-p ctrl-q unless told otherwise, and
 * holds the first back until the next key. Nobody types these; ctrl-^ alone is late by one key.
 */
const noDetachKeys = Array<string>(4).fill("ctrl-^,ctrl-@").join(",");

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
  const { version, open, hijack, fetchJson, act } = connectDocker({ socketPath, requestTimeout });
  return {
    info: (signal) => fetchJson("GET", "/info", { doing: "read the engine's info", signal }),
    version,

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
}

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

/** An image reference in a URL path: its slashes stay. */
const encodePath = (reference: string): string => reference.split("/").map(encodeURIComponent).join("/");
