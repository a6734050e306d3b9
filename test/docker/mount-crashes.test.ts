/** Mounts of servers that are killed, and of one that does not see what the engine sees, as in a container. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { output } from "../support/network-state.js";
import { startNode } from "../support/real-node.js";
import { spawnServer } from "../support/server-process.js";

const directory = await mkdtemp(join(tmpdir(), "dockershim-crash."));
after(() => rm(directory, { recursive: true, force: true }));

const mountsBelow = async (folder: string): Promise<string[]> =>
  (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));

test("a server that starts takes back the mounts of one that was killed, and nothing of a pod's files", async () => {
  const rootDirectory = join(directory, "root");
  const volume = join(directory, "volume");
  await mkdir(join(volume, "sub"), { recursive: true });
  await output("mount", "-t", "tmpfs", "test", join(volume, "sub"));
  await writeFile(join(volume, "sub", "data"), "precious");
  // As it is half-way: once mounted privately, once still as a peer, once twice, once not at all.
  const folders = ["a0", "a1", "a2", "a3"].map((name) => join(rootDirectory, "mounts", name));
  for (const [index, folder] of folders.entries()) {
    await mkdir(folder, { recursive: true });
    for (let times = index; times > 0; times--) await output("mount", "-t", "tmpfs", "dockershim", folder);
    if (index === 0) continue;
    await mkdir(join(folder, "0"));
    await output("mount", "--rbind", volume, join(folder, "0"));
  }
  assert.notDeepEqual(await mountsBelow(join(rootDirectory, "mounts")), []);

  const node = await startNode({ rootDirectory });
  try {
    assert.deepEqual(await mountsBelow(rootDirectory), []);
    assert.deepEqual(await readdir(join(rootDirectory, "mounts")), []);
    assert.equal(await readFile(join(volume, "sub", "data"), "utf8"), "precious");
  } finally {
    await node.close();
    await output("umount", join(volume, "sub"));
  }
});

test("a server with mounts of its own makes a container's where the engine sees them", async () => {
  const through = ["unshare", "--mount", "--propagation", "private"];
  const node = await startNode({}, "v1", (config) => spawnServer(config, { through }));
  const volume = join(node.directory, "volume");
  await mkdir(volume);
  try {
    // Not there for the server.
    await output("mount", "-t", "tmpfs", "test", volume);
    await writeFile(join(volume, "data"), "of the host");
    const mount = { host_path: volume, container_path: "/data", mount_options: ["noexec"] };
    const { container } = await node.start({ mounts: [mount] });
    assert.equal((await node.exec(container, ["cat", "/data/data"])).out, "of the host");
    assert.deepEqual(await mountsBelow(node.config.rootDirectory), []);
  } finally {
    await output("umount", volume);
    await node.close();
  }
});
