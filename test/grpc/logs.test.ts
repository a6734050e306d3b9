/** Container logs, as a client and whoever rotates them see them. */
import assert from "node:assert/strict";
import { appendFile, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import {
  containerConfig,
  podConfig,
  runPod,
  sharedServer,
  startServer,
  versions,
  type Rpc,
  type TestServer,
} from "../support/server.js";

const shared = await sharedServer();

let pods = 0;
/** A container with a log, not started yet. */
async function createLogging({ directory, engine }: TestServer, rpc: Rpc) {
  const log_directory = join(directory, `pod-${++pods}`);
  const pod = await runPod(rpc, { log_directory });
  await rpc("PullImage", { image: { image: containerConfig().image.image } });
  const config = containerConfig({ log_path: "app/0.log" });
  const request = { pod_sandbox_id: pod, config, sandbox_config: podConfig({ log_directory }) };
  const { container_id } = await rpc("CreateContainer", request);
  const path = join(log_directory, "app/0.log");
  const say = (text: string) =>
    appendFile(
      engine.containers.inspect(container_id).LogPath,
      `${JSON.stringify({ log: text, stream: "stdout", time: "2024-05-01T10:00:00Z" })}\n`,
    );
  /** All there is when the container has ended. */
  const end = async () => {
    await rpc("StopContainer", { container_id });
    await rpc("ContainerStatus", { container_id });
    return (await readFile(path, "utf8")).replace(/^\S+Z /gm, "");
  };
  return { container_id, log_directory, path, say, end };
}

for (const version of versions) {
  test(`${version}: after ReopenContainerLog what a container says goes to a new file, and none of it is lost`, async () => {
    const server = shared.fresh();
    const rpc = server.rpc(version);
    const { container_id, path, say, end } = await createLogging(server, rpc);
    await rpc("StartContainer", { container_id });
    await say("before\n");
    await rename(path, `${path}.old`);
    await rpc("ReopenContainerLog", { container_id });
    assert.equal((await stat(path)).mode & 0o777, 0o640);
    await say("after\n");
    const now = await end();
    const old = (await readFile(`${path}.old`, "utf8")).replace(/^\S+Z /gm, "");
    assert.equal(old + now, "stdout F started\nstdout F before\nstdout F after\n");
    assert.match(now, /after/);
    await rpc("RemoveContainer", { container_id });
    await assert.rejects(stat(path), { code: "ENOENT" });
    assert.ok(await stat(`${path}.old`), "what was rotated away is not ours to delete");
  });

  test(`${version}: ReopenContainerLog for a container that does not run is an error and makes no file`, async () => {
    const server = shared.fresh();
    const rpc = server.rpc(version);
    const { container_id, path, end } = await createLogging(server, rpc);
    const refused = () =>
      assert.rejects(rpc("ReopenContainerLog", { container_id }), {
        code: status.FAILED_PRECONDITION,
        details: new RegExp(`container ${container_id} is not running`),
      });
    await refused();
    await rpc("StartContainer", { container_id });
    await end();
    await rm(path);
    await refused();
    await assert.rejects(stat(path), { code: "ENOENT" });
  });
}

test("ReopenContainerLog that cannot make a file is an error, and the container's log goes on", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const { container_id, path, say, end } = await createLogging(server, rpc);
  await rpc("StartContainer", { container_id });
  const folder = join(path, "..");
  await rename(folder, `${folder}.away`);
  await assert.rejects(rpc("ReopenContainerLog", { container_id }), /app\/0\.log/);
  await rename(`${folder}.away`, folder);
  await say("still\n");
  assert.equal(await end(), "stdout F started\nstdout F still\n");
});

test("a log that cannot be made keeps its container from starting, and says why", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const { container_id, log_directory } = await createLogging(server, rpc);
  await writeFile(log_directory, "a file where the folder would be");
  await assert.rejects(rpc("StartContainer", { container_id }), {
    code: status.FAILED_PRECONDITION,
    details: new RegExp(`the log of container ${container_id} cannot be written: .*(EEXIST|ENOTDIR)`),
  });
  assert.equal((await rpc("ContainerStatus", { container_id })).status?.state, "CONTAINER_CREATED");
  await rm(log_directory);
  await rpc("StartContainer", { container_id });
});

test("a container whose log is a link, as predecessors made it, keeps it", async () => {
  const server = shared.fresh();
  const rpc = server.rpc("v1");
  const { container_id, path } = await createLogging(server, rpc);
  await rpc("StartContainer", { container_id });
  await rm(path);
  await symlink(server.engine.containers.inspect(container_id).LogPath, path);
  await rpc("RemoveContainer", { container_id });
  await assert.rejects(readlink(path), { code: "ENOENT" });
});

test("Docker is told to keep little, plainly, and to lose nothing, whatever its defaults are", async () => {
  const server = shared.fresh();
  await createLogging(server, server.rpc("v1"));
  const created = server.engine.calls.filter(({ method }) => method === "createContainer").at(-1);
  const [options] = (created?.args ?? []) as [{ HostConfig: { LogConfig: unknown } }];
  assert.deepEqual(options.HostConfig.LogConfig, {
    Type: "json-file",
    Config: { "max-size": "16m", "max-file": "4", compress: "false", mode: "blocking" },
  });
});

test("--container-log-format=docker: the log is a link to Docker's file, which goes with the container", async (t) => {
  const server = await startServer(t, { containerLogFormat: "docker" });
  const rpc = server.rpc("v1");
  const { container_id, path } = await createLogging(server, rpc);
  await rpc("StartContainer", { container_id });
  assert.equal(await readlink(path), server.engine.containers.inspect(container_id).LogPath);
  await assert.rejects(rpc("ReopenContainerLog", { container_id }), {
    code: status.FAILED_PRECONDITION,
    details: /--container-log-format=docker/,
  });
  await rpc("RemoveContainer", { container_id });
  await assert.rejects(readlink(path), { code: "ENOENT" });
});
