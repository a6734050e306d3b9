import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { pack } from "tar-stream";
import { imageFilesType, ownerLabel, typeLabel } from "../../src/kube/labels.js";
import { busybox, code, docker, startNode, type RealNode } from "../support/real-node.js";

const staging = "registry.k8s.io/k8s-staging-cri-tools";
/** Its user 1000 is in group 50000. */
const withGroup = `${staging}/test-image-predefined-group:latest`;

let node: RealNode;
before(async () => {
  node = await startNode();
});
/** What was made of busybox, which could not be removed any more as long as they are there. */
const images: string[] = [];
after(async () => {
  await node.close();
  for (const image of images) await docker().getImage(image).remove({ force: true });
});

/** Uid, gid and groups, from the text of /proc/<pid>/status. */
function toUser(status: string) {
  const numbers = (name: string) =>
    (new RegExp(`^${name}:(.*)$`, "m").exec(status)?.[1] ?? "").trim().split(/\s+/);
  return { uid: numbers("Uid")[0], gid: numbers("Gid")[0], groups: sorted(numbers("Groups")) };
}
const sorted = (groups: string[]) => [...new Set(groups)].sort((a, b) => Number(a) - Number(b));

const statusOfHost = (pid: number) => readFile(`/proc/${pid}/status`, "utf8");
const sandboxStatus = async (pod: string) =>
  statusOfHost((await docker().getContainer(pod).inspect()).State.Pid);

interface Case {
  title: string;
  image: string;
  context?: object;
  expected: [uid: string, gid: string, groups: string[]];
}
const cases: Case[] = [
  {
    title: "in its image's groups and those that are asked for",
    image: withGroup,
    context: { run_as_user: { value: "1000" }, supplemental_groups: ["1234"] },
    expected: ["1000", "1000", ["1000", "1234", "50000"]],
  },
  {
    title: "with Strict in the groups that are asked for only",
    image: withGroup,
    context: {
      run_as_user: { value: "1000" },
      supplemental_groups: ["1234"],
      supplemental_groups_policy: "Strict",
    },
    expected: ["1000", "1000", ["1000", "1234"]],
  },
  {
    title: "in its image's groups also when its primary group is another",
    image: withGroup,
    context: { run_as_user: { value: "1000" }, run_as_group: { value: "7" } },
    expected: ["1000", "7", ["7", "50000"]],
  },
  {
    title: "as its image's user with that user's groups",
    image: withGroup,
    expected: ["1000", "1000", ["1000", "50000"]],
  },
  {
    title: "as whom the client names",
    image: withGroup,
    context: { run_as_username: "default-user" },
    expected: ["1000", "1000", ["1000", "50000"]],
  },
  {
    title: "as its image's number",
    image: `${staging}/test-image-user-uid:latest`,
    expected: ["1002", "0", ["0"]],
  },
  {
    title: "as its image's user and group in numbers",
    image: `${staging}/test-image-user-uid-group:latest`,
    expected: ["1003", "1004", ["1004"]],
  },
  {
    title: "as its image's user and group by name",
    image: `${staging}/test-image-user-username-group:latest`,
    expected: ["33", "33", ["33"]],
  },
];
for (const { title, image, context = {}, expected } of cases) {
  test(`a container and what is run in it run ${title}, and its status says so`, async () => {
    await node.image("PullImage", { image: { image } });
    const { container } = await node.start({
      image: { image },
      command: ["sh", "-c", "cat /proc/self/status > /tmp/first; sleep 1000"],
      linux: { security_context: context },
    });
    const [uid, gid, groups] = expected;
    const { Pid } = (await docker().getContainer(container).inspect()).State;
    assert.deepEqual(toUser(await statusOfHost(Pid)), { uid, gid, groups });
    assert.deepEqual(toUser((await node.exec(container, ["cat", "/proc/self/status"])).out), {
      uid,
      gid,
      groups,
    });
    const { linux } = (await node.status(container)).user;
    assert.deepEqual([linux.uid, linux.gid, sorted(linux.supplemental_groups)], expected);
  });
}

/** An image that differs from busybox by these files and settings. */
async function imageOf(
  name: string,
  changes: string,
  files: Parameters<ReturnType<typeof pack>["entry"]>[0][],
) {
  const container = await docker().createContainer({ Image: busybox, Cmd: ["true"] });
  try {
    const packing = pack();
    for (const { name: path, ...header } of files) {
      const content = path.endsWith("accounts") ? "odd:x:77:78::/:/bin/sh\n" : "";
      packing.entry({ name: path, ...header }, content);
    }
    packing.finalize();
    await container.putArchive(await buffer(packing), { path: "/" });
    await container.commit({ repo: name, tag: "latest", changes });
    images.push(`${name}:latest`);
  } finally {
    await container.remove({ force: true, v: true });
  }
  return `${name}:latest`;
}

for (const [title, name, link] of [
  ["relative, out of its folder", "linked-relative", "../opt/./accounts"],
  ["absolute, out of the image's root", "linked-absolute", "/../../opt/accounts"],
  ["to another link", "linked-twice", "../opt/again"],
] as const) {
  test(`users are found where the image's /etc/passwd is a link: ${title}`, async () => {
    const image = await imageOf(name, "USER odd", [
      { name: "opt/accounts" },
      { name: "opt/again", type: "symlink", linkname: "../opt/accounts" },
      { name: "etc/passwd", type: "symlink", linkname: link },
    ]);
    const { container } = await node.start({ image: { image } });
    const { uid, gid } = (await node.status(container)).user.linux;
    assert.deepEqual([uid, gid], ["77", "78"]);
  });
}

test("users are found where the image makes a volume of their folder", async () => {
  const image = await imageOf("volume-of-etc", "USER www-data\nVOLUME /etc", []);
  const { container } = await node.start({ image: { image } });
  assert.equal((await node.status(container)).user.linux.uid, "33");
});

test("an unknown user is refused in Docker's words before anything is made", async () => {
  const config = node.podConfig();
  const pod = await node.runPod(config);
  const create = (image: string, context: object) =>
    node.create(pod, config, { image: { image }, linux: { security_context: context } });
  await assert.rejects(create(busybox, { run_as_username: "nobody-knows" }), {
    code: code.INVALID_ARGUMENT,
    details: /run_as_username "nobody-knows": no matching entries in the passwd file/,
  });
  const image = await imageOf("unknown-user", "USER nobody-knows", []);
  await assert.rejects(create(image, {}), {
    code: code.FAILED_PRECONDITION,
    details: /runs as user "nobody-knows": no matching entries in the passwd file/,
  });
  const { containers } = await node.runtime("ListContainers", { filter: { pod_sandbox_id: pod } });
  assert.equal(containers.length, 0);
});

test("reading an image leaves no container, and makes no volume of the image's", async () => {
  const image = await imageOf("with-volume", "VOLUME /opt /etc", [{ name: "opt/accounts" }]);
  const volumes = async () => ((await docker().listVolumes()).Volumes ?? []).map(({ Name }) => Name).sort();
  const before = await volumes();
  const config = node.podConfig();
  const pod = await node.runPod(config);
  // It is read for this, and then not created.
  const context = { run_as_username: "nobody-knows" };
  await assert.rejects(node.create(pod, config, { image: { image }, linux: { security_context: context } }));
  assert.deepEqual(await volumes(), before);
  const filters = { label: [`${typeLabel}=${imageFilesType}`] };
  assert.deepEqual(await docker().listContainers({ all: true, filters }), []);
});

test("what a killed server left behind goes when it is started again", async () => {
  const rootDirectory = await mkdtemp(join(tmpdir(), "dockershim-left."));
  const Labels = { [typeLabel]: imageFilesType, [ownerLabel]: rootDirectory };
  const left = await docker().createContainer({ Image: busybox, Labels });
  const again = await startNode({ rootDirectory });
  try {
    const { container } = await again.start();
    assert.equal((await again.status(container)).user.linux.uid, "0");
    await assert.rejects(left.inspect(), { statusCode: 404 });
  } finally {
    await again.close();
    await rm(rootDirectory, { recursive: true, force: true });
  }
});

test("a pod's own process runs as whom the pod asks for", async () => {
  const plain = await node.runPod(node.podConfig());
  assert.deepEqual(toUser(await sandboxStatus(plain)), { uid: "65535", gid: "65535", groups: ["65535"] });
  const security_context = {
    run_as_user: { value: "1000" },
    run_as_group: { value: "2000" },
    supplemental_groups: ["3000"],
  };
  const asked = await node.runPod(node.podConfig({ linux: { security_context } }));
  assert.deepEqual(toUser(await sandboxStatus(asked)), {
    uid: "1000",
    gid: "2000",
    groups: ["2000", "3000"],
  });
});

const field = (status: string, name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];

test("a pod's seccomp profile holds for its own process", async () => {
  const profile = join(node.directory, "profile.json");
  await writeFile(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" }));
  const modeOf = async (seccomp: object) => {
    const pod = await node.runPod(node.podConfig({ linux: { security_context: { seccomp } } }));
    const status = await sandboxStatus(pod);
    assert.equal(field(status, "NoNewPrivs"), "1");
    return field(status, "Seccomp");
  };
  assert.equal(await modeOf({ profile_type: "Unconfined" }), "0");
  assert.equal(await modeOf({ profile_type: "RuntimeDefault" }), "2");
  assert.equal(await modeOf({ profile_type: "Localhost", localhost_ref: profile }), "2");
  await assert.rejects(modeOf({ profile_type: "Localhost", localhost_ref: "/no/such/profile.json" }), {
    code: code.INVALID_ARGUMENT,
    details: /seccomp profile \/no\/such\/profile.json/,
  });
});

test("a privileged pod's own process may do what the host allows", async () => {
  const capabilities = async (security_context: object) => {
    const pod = await node.runPod(node.podConfig({ linux: { security_context } }));
    return BigInt(`0x${field(await sandboxStatus(pod), "CapBnd")}`);
  };
  const sysAdmin = 1n << 21n;
  assert.equal((await capabilities({})) & sysAdmin, 0n);
  assert.equal((await capabilities({ privileged: true })) & sysAdmin, sysAdmin);
});
