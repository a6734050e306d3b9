/** The unix socket that we listen on. */
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { CriError, messageOf } from "../errors.js";

/**
 * Listens on `path` (mode 0660), in place of a stale socket that nobody serves any more.
 * @throws CriError alreadyExists when somebody does, or when the path is something else than a socket
 */
export async function listenUnix(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  await mkdir(dirname(path), { recursive: true });
  await removeStale(path);
  const server = createServer({ allowHalfOpen: false }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new CriError("unavailable", `cannot listen on ${path}: ${messageOf(error)}`, { cause: error })),
    );
    server.listen(path, resolve);
  });
  await chmod(path, 0o660);
  return server;
}

async function removeStale(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket()) throw new CriError("alreadyExists", `${path} exists and is not a socket`);
  if (await isServed(path)) {
    throw new CriError(
      "alreadyExists",
      `another process serves ${path}; stop it, or choose another --container-runtime-endpoint`,
    );
  }
  await rm(path, { force: true });
}

const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
