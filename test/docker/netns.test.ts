/** Pods' namespaces as they are kept by mounts. No engine is needed, but root is. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { NetworkNamespaces } from "../../src/network/cni/netns.js";
import { endAll, startPause } from "../unit/streaming/pod-network/real-pod.js";

const run = promisify(execFile);
after(() => endAll());

/** A directory for namespaces; with the test, it and all that is mounted there go. */
function setUp(t: TestContext) {
  const directory = join(mkdtempSync(join(tmpdir(), "netns-")), "netns");
  t.after(async () => {
    while (mountsAt(directory).length > 0) await run("umount", ["--recursive", "--lazy", directory]);
    rmSync(join(directory, ".."), { recursive: true });
  });
  return { directory, namespaces: new NetworkNamespaces(directory) };
}

/** The lines of mountinfo (proc(5)) for that mount point. */
const mountsAt = (path: string): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.split(" ")[4] === path);

const namespaceOf = (pid: number): number => statSync(`/proc/${pid}/ns/net`).ino;

test("namespaces are kept where iproute2 looks for them, by the sandbox's id", () => {
  assert.equal(new NetworkNamespaces().pathOf("5a"), "/run/netns/cni-5a");
});

test("a namespace that is kept outlives its process, and programs can be run in it", async (t) => {
  const { directory, namespaces } = setUp(t);
  const pause = await startPause();
  const theirs = namespaceOf(pause.pid);
  assert.equal(await namespaces.isPinned("5a"), false);
  await namespaces.pin("5a", pause.pid);
  await pause.end();
  assert.equal(await namespaces.isPinned("5a"), true);
  const path = namespaces.pathOf("5a");
  assert.equal(path, join(directory, "cni-5a"));
  assert.equal(statSync(path).ino, theirs);
  const { stdout } = await run("nsenter", [`--net=${path}`, "stat", "-L", "-c%i", "/proc/self/ns/net"]);
  assert.equal(Number(stdout), theirs);
});

test("when it is let go, nothing is left; to let it go again, or one that never was, is no error", async (t) => {
  const { directory, namespaces } = setUp(t);
  const pause = await startPause();
  await namespaces.pin("5a", pause.pid);
  await namespaces.pin("5b", pause.pid);
  await namespaces.unpin("5a");
  await namespaces.unpin("5a");
  await namespaces.unpin("5c");
  assert.deepEqual([await namespaces.isPinned("5a"), await namespaces.isPinned("5b")], [false, true]);
  assert.equal(existsSync(join(directory, "cni-5a")), false);
  assert.deepEqual(mountsAt(join(directory, "cni-5a")), []);
  await new NetworkNamespaces(join(directory, "nowhere")).unpin("5a");
});

test("whoever looks at a namespace does not keep it from being let go", async (t) => {
  const { namespaces } = setUp(t);
  const pause = await startPause();
  await namespaces.pin("5a", pause.pid);
  const looking = await open(namespaces.pathOf("5a"));
  t.after(() => looking.close());
  await namespaces.unpin("5a");
  assert.equal(existsSync(namespaces.pathOf("5a")), false);
});

test("a sandbox whose process has gone, or is one of the host's, is refused, and nothing is left", async (t) => {
  const { namespaces } = setUp(t);
  const { pid, end } = await startPause();
  await end();
  const kind = "failedPrecondition";
  const host = `the sandbox's process ${process.pid} has gone, or is on the host's network`;
  await assert.rejects(namespaces.pin("5a", pid), { kind, message: `the sandbox's process ${pid} has gone` });
  await assert.rejects(namespaces.pin("5a", process.pid), { kind, message: host });
  assert.equal(await namespaces.isPinned("5a"), false);
  assert.equal(existsSync(namespaces.pathOf("5a")), false);
});

test("a file without a mount, as a crash or a new start of the machine leaves it, is no namespace", async (t) => {
  const { directory, namespaces } = setUp(t);
  const pause = await startPause();
  mkdirSync(directory);
  for (const name of ["cni-5a", "cni-5b"]) writeFileSync(join(directory, name), "", { mode: 0o444 });
  assert.equal(await namespaces.isPinned("5a"), false);
  await namespaces.unpin("5a");
  assert.equal(existsSync(join(directory, "cni-5a")), false);
  await namespaces.pin("5b", pause.pid);
  assert.equal(await namespaces.isPinned("5b"), true);
});

test("a sandbox whose namespace is kept again has the new one, and one time to let go is enough", async (t) => {
  const { namespaces } = setUp(t);
  const [first, second] = [await startPause(), await startPause()];
  const path = namespaces.pathOf("5a");
  await namespaces.pin("5a", first.pid);
  await namespaces.pin("5a", second.pid);
  assert.equal(statSync(path).ino, namespaceOf(second.pid));
  // Where the directory was shared before, each is mounted below it as well, as iproute2's are.
  await namespaces.pin("5b", second.pid);
  assert.equal(mountsAt(path).length, mountsAt(namespaces.pathOf("5b")).length);
  await namespaces.unpin("5a");
  assert.deepEqual([mountsAt(path), existsSync(path)], [[], false]);
});

test("the directory becomes a shared mount, once, whoever uses it first and however many", async (t) => {
  const { directory, namespaces } = setUp(t);
  const pause = await startPause();
  await Promise.all(["5a", "5b", "5c"].map((id) => namespaces.pin(id, pause.pid)));
  await new NetworkNamespaces(directory).pin("5d", pause.pid);
  const [mount, ...more] = mountsAt(directory);
  assert.match(mount ?? "", / shared:\d+ /);
  assert.deepEqual(more, []);
});

test("a container that mounts the directory sees namespaces come and go", async (t) => {
  const { directory, namespaces } = setUp(t);
  const [pod, other] = [await startPause(), await startPause()];
  await namespaces.pin("5a", pod.pid);
  const script = `echo; read line; stat -c%i ${directory}/cni-5b; read line; ls ${directory}`;
  const container = execFile("unshare", ["--mount", "--propagation", "slave", "sh", "-c", script]);
  t.after(() => container.kill("SIGKILL"));
  const lines = container.stdout![Symbol.asyncIterator]() as AsyncIterator<string>;
  assert.equal((await lines.next()).value, "\n");
  await namespaces.pin("5b", other.pid);
  container.stdin?.write("\n");
  assert.equal(Number((await lines.next()).value), namespaceOf(other.pid));
  await namespaces.unpin("5b");
  container.stdin?.end("\n");
  assert.equal((await lines.next()).value, "cni-5a\n");
});

test("a directory that cannot be made is told, and tried again", async (t) => {
  const { directory, namespaces } = setUp(t);
  const pause = await startPause();
  writeFileSync(directory, "");
  await assert.rejects(namespaces.pin("5a", pause.pid), { code: "EEXIST" });
  rmSync(directory);
  await namespaces.pin("5a", pause.pid);
  assert.equal(await namespaces.isPinned("5a"), true);
});
