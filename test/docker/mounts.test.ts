/** Mounts of the host's files, with what Docker's API can say of them and what it cannot. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { output } from "../support/network-state.js";
import { code, docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
let mounts: string;
/** A folder with a tmpfs below it, as a pod's volume may have one; its own mount is shared. */
let tree: string;

const mountPoints = async (): Promise<string> =>
  (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    // The engine's own, of containers that come and go.
    .filter((path) => !/\/(docker|exec)\//.test(path))
    .sort()
    .join("\n");

before(async () => {
  node = await startNode();
  tree = join(node.directory, "tree");
  for (const path of [tree, join(tree, "sub"), join(tree, "sub", "deep")]) {
    await mkdir(path);
    await output("mount", "-t", "tmpfs", "-o", "nosuid,noatime", "test", path);
  }
  await writeFile(join(tree, "file"), "of the host");
  mounts = await mountPoints();
});
after(async () => {
  await output("umount", "--recursive", tree);
  await node.close();
});
afterEach(async () => {
  assert.equal(await mountPoints(), mounts, "no mount of ours is left");
  assert.deepEqual(await readdir(join(node.config.rootDirectory, "mounts")).catch(() => []), []);
});

/** What a file system says to `touch`, or nothing. */
const touch = async (container: string, path: string): Promise<string> =>
  (await node.exec(container, ["touch", path])).err;
const optionsOf = async (container: string, path: string): Promise<string[]> => {
  const { out } = await node.exec(container, ["cat", "/proc/self/mountinfo"]);
  const line = out.split("\n").find((entry: string) => entry.split(" ")[4] === path);
  return line?.split(" ")[5]?.split(",") ?? [];
};
const reported = async (container: string, path: string) => {
  const { mounts } = await node.status(container);
  const { image, ...mount } = mounts.find(
    (found: { container_path: string }) => found.container_path === path,
  );
  return { ...mount, image: image ?? undefined };
};
const startWith = (mount: object) =>
  node.start({ mounts: [{ host_path: tree, container_path: "/data", ...mount }] });

test("a read-only mount leaves writable what is mounted below it", async () => {
  const { container } = await startWith({ readonly: true });
  assert.match(await touch(container, "/data/x"), /Read-only/);
  assert.equal(await touch(container, "/data/sub/x"), "");
  assert.equal((await reported(container, "/data")).recursive_read_only, false);
});

test("a recursively read-only mount has nothing writable in it, and says so", async () => {
  const { container } = await startWith({ readonly: true, recursive_read_only: true });
  for (const path of ["/data/x", "/data/sub/x", "/data/sub/deep/x"]) {
    assert.match(await touch(container, path), /Read-only/, path);
  }
  assert.equal((await node.exec(container, ["cat", "/data/file"])).out, "of the host");
  const mount = await reported(container, "/data");
  assert.equal(mount.host_path, tree);
  assert.deepEqual([mount.readonly, mount.recursive_read_only], [true, true]);
  await writeFile(join(tree, "sub", "later"), "the host may still write");
  assert.deepEqual(
    (await node.runtime("Status", {})).runtime_handlers.map(
      ({ features }: { features: { recursive_read_only_mounts: boolean } }) =>
        features.recursive_read_only_mounts,
    ),
    Object.keys((await docker().info()).Runtimes)
      .concat("")
      .map(() => true),
  );
});

test("mount options hold for the mount, and not for what is mounted below it", async () => {
  const { container } = await startWith({ mount_options: ["noexec", "suid", "nodev"] });
  assert.deepEqual(await optionsOf(container, "/data"), ["rw", "nodev", "noexec", "noatime"]);
  assert.deepEqual(await optionsOf(container, "/data/sub"), ["rw", "nosuid", "noatime"]);
  assert.equal(await touch(container, "/data/x"), "");
  await node.exec(container, ["sh", "-c", "cp /bin/busybox /data/true; cp /bin/busybox /data/sub/true"]);
  assert.match((await node.exec(container, ["sh", "-c", "/data/true"])).err, /Permission denied/);
  assert.equal((await node.exec(container, ["sh", "-c", "/data/sub/true"])).exit, 0);
  assert.deepEqual((await reported(container, "/data")).mount_options, ["noexec", "suid", "nodev"]);
  assert.equal((await node.runtime("Status", {})).features.mount_options, true);
});

test("mount options and read-only go together, recursively too", async () => {
  const { container } = await startWith({ readonly: true, mount_options: ["noexec"] });
  assert.deepEqual(await optionsOf(container, "/data"), ["ro", "nosuid", "noexec", "noatime"]);
  assert.equal(await touch(container, "/data/sub/x"), "");
  const other = await startWith({ readonly: true, recursive_read_only: true, mount_options: ["noexec"] });
  assert.deepEqual(await optionsOf(other.container, "/data"), ["ro", "nosuid", "noexec", "noatime"]);
  assert.deepEqual(await optionsOf(other.container, "/data/sub/deep"), ["ro", "nosuid", "noatime"]);
});

test("a single file can be mounted, with options as well", async () => {
  const file = join(tree, "file");
  const { container } = await node.start({
    mounts: [
      { host_path: file, container_path: "/plain" },
      { host_path: file, container_path: "/special", mount_options: ["noexec"] },
    ],
  });
  for (const path of ["/plain", "/special"]) {
    assert.equal((await node.exec(container, ["cat", path])).out, "of the host");
  }
});

test("a host path that is not there is made a folder, and one that cannot be made is named", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  for (const special of [{}, { mount_options: ["noexec"] }]) {
    const host_path = join(node.directory, "new", String(Object.keys(special).length), "folder");
    await node.create(pod, config, { mounts: [{ host_path, container_path: "/data", ...special }] });
    assert.ok((await stat(host_path)).isDirectory());
  }
  const host_path = join(tree, "file", "below");
  await assert.rejects(node.create(pod, config, { mounts: [{ host_path, container_path: "/data" }] }), {
    code: code.FAILED_PRECONDITION,
    details: /config\.mounts\[0\]\.host_path .*file\/below/,
  });
});

test("a host path's symbolic links are followed, and it is reported as it was given", async () => {
  const link = join(node.directory, "link");
  await symlink(tree, link);
  const { container } = await node.start({
    mounts: [
      { host_path: link, container_path: "/plain" },
      { host_path: link, container_path: "/special", readonly: true, recursive_read_only: true },
    ],
  });
  for (const path of ["/plain", "/special"]) {
    assert.equal((await node.exec(container, ["cat", `${path}/file`])).out, "of the host");
    assert.equal((await reported(container, path)).host_path, link);
  }
});

test("paths may have colons, commas, spaces and letters of all kinds", async () => {
  const host_path = join(node.directory, "a:b,c d\\é漢");
  const { container } = await node.start({
    mounts: [
      { host_path, container_path: "/x:y,z é漢" },
      { host_path, container_path: "/special:y,z é漢", mount_options: ["noexec"] },
    ],
  });
  await writeFile(join(host_path, "file"), "here");
  for (const path of ["/x:y,z é漢", "/special:y,z é漢"]) {
    assert.equal((await node.exec(container, ["cat", `${path}/file`])).out, "here");
    assert.equal((await reported(container, path)).host_path, host_path);
  }
});

for (const special of [{}, { mount_options: ["noexec"] }]) {
  const how = Object.keys(special).length > 0 ? "with options" : "without";
  for (const [propagation, hostIsSeen, containerIsSeen] of [
    ["PROPAGATION_PRIVATE", false, false],
    ["PROPAGATION_HOST_TO_CONTAINER", true, false],
    ["PROPAGATION_BIDIRECTIONAL", true, true],
  ] as const) {
    test(`mounts made later are seen as ${propagation} promises, ${how}`, async () => {
      for (const name of ["ours", "theirs"]) await mkdir(join(tree, name), { recursive: true });
      const { container } = await node.start({
        mounts: [{ host_path: tree, container_path: "/data", propagation, ...special }],
        linux: { security_context: { privileged: true } },
      });
      await output("mount", "-t", "tmpfs", "later", join(tree, "ours"));
      try {
        await writeFile(join(tree, "ours", "new"), "");
        assert.equal((await node.exec(container, ["ls", "/data/ours"])).out, hostIsSeen ? "new\n" : "");
      } finally {
        await output("umount", join(tree, "ours"));
      }
      await node.exec(container, ["mount", "-t", "tmpfs", "later", "/data/theirs"]);
      await node.exec(container, ["touch", "/data/theirs/new"]);
      assert.deepEqual(await readdir(join(tree, "theirs")), containerIsSeen ? ["new"] : []);
      await node.exec(container, ["umount", "/data/theirs"]);
      assert.equal((await reported(container, "/data")).propagation, propagation);
    });
  }

  test(`a source that cannot propagate is an error, ${how}`, async () => {
    const host_path = join(tree, "sub");
    await output("mount", "--make-private", host_path);
    try {
      const start = node.start({
        mounts: [
          { host_path, container_path: "/data", propagation: "PROPAGATION_BIDIRECTIONAL", ...special },
        ],
      });
      await assert.rejects(start, { details: new RegExp(`${host_path}.*not.*shared`) });
    } finally {
      await output("mount", "--make-shared", host_path);
    }
  });
}

test("a volume is free as soon as its containers have ended", async () => {
  const volume = join(node.directory, "volume");
  await mkdir(volume);
  await output("mount", "-t", "tmpfs", "test", volume);
  const device = (await output("mountpoint", "--fs-devno", volume)).trim();
  const isMounted = async (): Promise<boolean> => {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const tables = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "")),
    );
    return tables.some((table) => table.includes(` ${device} `));
  };
  const { container } = await node.start({
    mounts: [{ host_path: volume, container_path: "/data", readonly: true, recursive_read_only: true }],
  });
  await output("umount", volume);
  assert.ok(await isMounted(), "the container has it");
  await node.runtime("StopContainer", { container_id: container, timeout: "0" });
  assert.ok(!(await isMounted()));
});

test("a container that never starts leaves no mounts, and neither does one that cannot be made", async () => {
  const mount = { host_path: tree, container_path: "/data", readonly: true, recursive_read_only: true };
  const config = node.podConfig();
  const pod = await node.runPod(config);
  await node.create(pod, config, { mounts: [mount] });
  await assert.rejects(node.create(pod, config, { mounts: [mount], image: { image: "no/such:image" } }));
  const id = await node.create(pod, config, { mounts: [mount], command: ["/no/such/program"] });
  await assert.rejects(node.runtime("StartContainer", { container_id: id }));
});

test("a container that is started past this server fails, rather than run without its mounts", async () => {
  const mount = { host_path: tree, container_path: "/data", readonly: true, mount_options: ["noexec"] };
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const id = await node.create(pod, config, { mounts: [mount] });
  await assert.rejects(docker().getContainer(id).start(), /mounts\/[0-9a-f]+\/0/);
  await node.runtime("StartContainer", { container_id: id });
  assert.match(await touch(id, "/data/x"), /Read-only/);
});
