import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { dockerodeEngine } from "../../../src/docker/dockerode-engine.js";

test("a request does not make a text of everything that its connections lead to", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-"));
  const socketPath = join(directory, "docker.sock");
  const daemon = createServer((_request, response) => response.end('{"ApiVersion":"1.41"}')).listen(
    socketPath,
  );
  await once(daemon, "listening");
  t.after(async () => {
    daemon.close().closeAllConnections();
    await rm(directory, { recursive: true });
  });
  let printed = 0;
  Object.defineProperty(Socket.prototype, inspect.custom, {
    value: () => String(++printed),
    configurable: true,
  });
  t.after(() => Reflect.deleteProperty(Socket.prototype, inspect.custom));
  const engine = dockerodeEngine({ socketPath, requestTimeout: 10_000 });
  // The second finds the first one's connection.
  await engine.listImages();
  await engine.listImages();
  assert.equal(printed, 0);
});
