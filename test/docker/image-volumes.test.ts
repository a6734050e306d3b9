/** Images that are mounted into containers. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { after, afterEach, before, test } from "node:test";
import { pack } from "tar-stream";
import { busybox, code, docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
/** Of one layer, and of three, where the upper ones change and delete what the lower ones have. */
let single: string;
let layered: string;

const overlays = async (): Promise<string[]> =>
  (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(node.config.rootDirectory));

before(async () => {
  node = await startNode();
  single = await imported({
    "bin/tool": { mode: 0o755, content: await readFile("/bin/true") },
    "etc/conf": { content: "of the image" },
    "etc/private/key": { content: "secret" },
    "links/inside": { linkname: "../etc" },
    "links/absolute": { linkname: "/etc/conf" },
    "links/above": { linkname: "../../../../etc" },
    "links/loop": { linkname: "loop" },
  });
  layered = await built([
    `FROM ${busybox}`,
    'RUN ["sh", "-c", "mkdir /v; echo old > /v/changed; echo x > /v/deleted; echo kept > /v/kept"]',
    'RUN ["sh", "-c", "echo new > /v/changed; rm /v/deleted"]',
  ]);
});
after(async () => {
  await node.close();
  // Else the image that it is built on could not be removed any more.
  await docker().getImage(layered).remove({ force: true });
});
afterEach(async () => assert.deepEqual(await overlays(), []));

interface File {
  content?: string | Buffer;
  mode?: number;
  linkname?: string;
}

const followed = (stream: NodeJS.ReadableStream): Promise<unknown> =>
  new Promise((resolve, reject) =>
    docker().modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines))),
  );

/** @returns its id */
async function imported(files: Record<string, File>): Promise<string> {
  const archive = pack();
  for (const [name, { content = "", mode = 0o644, linkname }] of Object.entries(files)) {
    if (linkname === undefined) archive.entry({ name, mode }, content);
    else archive.entry({ name, type: "symlink", linkname });
  }
  archive.finalize();
  const repo = "test/files";
  await followed(await docker().importImage(Readable.from(archive), { repo, tag: "latest" }));
  return (await docker().getImage(repo).inspect()).Id;
}

async function built(lines: string[]): Promise<string> {
  const archive = pack();
  archive.entry({ name: "Dockerfile" }, lines.join("\n"));
  archive.finalize();
  const t = "test/layered";
  await followed(await docker().buildImage(Readable.from(archive), { t }));
  return (await docker().getImage(t).inspect()).Id;
}

const volume = (image: string, fields: object = {}) => ({
  image: { image },
  container_path: "/vol",
  readonly: true,
  ...fields,
});
const startWith = (...mounts: object[]) => node.start({ mounts });
const output = async (container: string, ...cmd: string[]): Promise<string> => {
  const { out, err } = await node.exec(container, cmd);
  return `${out}${err}`.trim();
};

test("an image is mounted as a container of it would see it, and nothing can be written to it", async () => {
  const { container } = await startWith(
    volume(layered, { container_path: "/layered" }),
    volume(single, { container_path: "/single" }),
  );
  assert.equal(
    await output(container, "sh", "-c", "cat /layered/v/*; ls /layered/v"),
    "new\nkept\nchanged\nkept",
  );
  assert.equal(await output(container, "cat", "/single/etc/conf"), "of the image");
  assert.match(await output(container, "touch", "/layered/x"), /Read-only/);
  assert.match(await output(container, "touch", "/single/etc/conf"), /Read-only/);
});

test("programs of a mounted image can be run, unless noexec is asked for", async () => {
  const { container } = await startWith(
    volume(layered, { container_path: "/exec" }),
    volume(layered, { container_path: "/noexec", mount_options: ["noexec"] }),
  );
  assert.equal(await output(container, "/exec/bin/busybox", "echo", "it runs"), "it runs");
  assert.match(await output(container, "sh", "-c", "/noexec/bin/busybox echo"), /Permission denied/);
});

for (const [title, image_sub_path, command, expected] of [
  ["a folder", "etc", ["cat", "/vol/conf"], "of the image"],
  ["a folder, written with slashes", "./etc//private/", ["cat", "/vol/key"], "secret"],
  ["a file", "etc/conf", ["cat", "/vol"], "of the image"],
  ["a symbolic link within it", "links/inside/private", ["cat", "/vol/key"], "secret"],
  ["an absolute symbolic link, from the image's root", "links/absolute", ["cat", "/vol"], "of the image"],
  ["a symbolic link that leads above it, and does not", "links/above", ["cat", "/vol/conf"], "of the image"],
] as const) {
  test(`of an image, ${title} can be mounted`, async () => {
    const { container } = await startWith(volume(single, { image_sub_path }));
    assert.equal(await output(container, ...command), expected);
    const { mounts } = await node.status(container);
    assert.equal(mounts[0].image_sub_path, image_sub_path);
  });
}

for (const [title, fields, expected] of [
  [
    "a part that it does not have",
    { image_sub_path: "no/such" },
    { code: code.NOT_FOUND, details: /"no\/such"/ },
  ],
  [
    "something below a file",
    { image_sub_path: "etc/conf/x" },
    { code: code.NOT_FOUND, details: /etc\/conf\/x/ },
  ],
  [
    "a link that never ends",
    { image_sub_path: "links/loop" },
    { code: code.INVALID_ARGUMENT, details: /symbolic links/ },
  ],
  ["..", { image_sub_path: "../etc" }, { code: code.INVALID_ARGUMENT, details: /image_sub_path/ }],
  ["it writable", { readonly: false }, { code: code.INVALID_ARGUMENT, details: /readonly/ }],
] as const) {
  test(`of an image, ${title} is refused when the container is created`, async () => {
    const config = node.podConfig();
    const pod = await node.runPod(config);
    await assert.rejects(node.create(pod, config, { mounts: [volume(single, fields)] }), expected);
    const { containers } = await node.runtime("ListContainers", { filter: { pod_sandbox_id: pod } });
    assert.deepEqual(containers, []);
  });
}

test("an image that is not here is NOT_FOUND by its name", async () => {
  await assert.rejects(startWith(volume("no/such:volume")), {
    code: code.NOT_FOUND,
    details: /no\/such:volume/,
  });
});

test("a status tells which image is mounted, as it was asked for and by its id", async () => {
  const { container } = await startWith({
    ...volume(layered),
    image: { image: "test/layered", user_specified_image: "docker.io/test/layered:latest" },
    image_sub_path: "v",
  });
  const { mounts } = await node.status(container);
  assert.deepEqual(
    { ...mounts[0], image: { ...mounts[0].image } },
    {
      container_path: "/vol",
      host_path: "",
      readonly: true,
      selinux_relabel: false,
      propagation: "PROPAGATION_PRIVATE",
      uidMappings: [],
      gidMappings: [],
      recursive_read_only: false,
      image: {
        image: "test/layered",
        annotations: mounts[0].image.annotations,
        user_specified_image: "docker.io/test/layered:latest",
        runtime_handler: "",
        image_ref: layered,
      },
      image_sub_path: "v",
      mount_options: [],
    },
  );
});

test("an image that is mounted is not removed before its last container", async () => {
  const image = await imported({ "only/here": { content: "x" } });
  const { container } = await startWith(volume(image));
  const remove = () => node.image("RemoveImage", { image: { image } });
  await assert.rejects(remove(), { code: code.FAILED_PRECONDITION, details: /in use by k8s_c-/ });
  await node.runtime("StopContainer", { container_id: container, timeout: "0" });
  await assert.rejects(remove(), { code: code.FAILED_PRECONDITION });
  await node.runtime("RemoveContainer", { container_id: container });
  await remove();
  assert.equal((await node.image("ImageStatus", { image: { image } })).image, null);
});
