import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { eventually } from "../support/eventually.js";
import { busybox, docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const registry = "registry.k8s.io/e2e-test-images";
const pull = async (image: string, auth?: object, signal?: AbortSignal): Promise<string> =>
  (await node.image("PullImage", { image: { image }, ...(auth ? { auth } : {}) }, signal)).image_ref;
const status = async (image: string) => (await node.image("ImageStatus", { image: { image } })).image;

test("one image has one identifier, whichever way it is named", async () => {
  const id = await pull(busybox);
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  const image = await status(busybox);
  const digest = image.repo_digests.find((name: string) => name.startsWith(registry));
  const names = [
    busybox,
    digest,
    id,
    id.slice("sha256:".length),
    id.slice("sha256:".length, 19),
    `${busybox}@${digest.split("@")[1]}`,
    `docker-pullable://${digest}`,
    `docker://${id}`,
  ];
  for (const name of names) assert.equal((await status(name))?.id, id, name);
  const { images } = await node.image("ListImages", { filter: { image: { image: busybox } } });
  assert.deepEqual(
    images.map((found: { id: string }) => found.id),
    [id],
  );
  const { container } = await node.start({ image: { image: id } });
  const { image_ref, image_id, image: named } = await node.status(container);
  assert.deepEqual([image_ref, image_id], [id, id]);
  assert.ok(image.repo_tags.includes(named.image), `${named.image} is a name of it`);
  assert.equal(await pull(digest), id);
  assert.equal(await pull(`${busybox}@${digest.split("@")[1]}`), id);
});

test("uid, user name and the pinned sandbox image are reported, in lists too", async () => {
  const staging = "gcr.io/k8s-staging-cri-tools";
  await pull(`${staging}/test-image-user-uid:latest`);
  await pull(`${staging}/test-image-user-username-group:latest`);
  const { images } = await node.image("ListImages", {});
  const find = (part: string) =>
    images.find((image: { repo_tags: string[] }) => image.repo_tags.some((tag) => tag.includes(part)));
  assert.equal(find("test-image-user-uid:").uid.value, "1002");
  assert.equal(find("test-image-user-username-group").username, "www-data");
  assert.equal(find("pause:3.10").pinned, true);
  assert.equal(find("busybox").pinned, false);
  assert.ok(Number(find("busybox").size) > 0);
});

test("a missing image: no status, NOT_FOUND from a pull in the registry's words, and removal succeeds", async () => {
  assert.equal(await status(`${registry}/nothing-here:1`), null);
  await assert.rejects(pull(`${registry}/nothing-here:1`), {
    code: 5,
    message: /manifest unknown|not found/,
  });
  await node.image("RemoveImage", { image: { image: `${registry}/nothing-here:1` } });
});

test("removing by any one of its names removes the image with all its names", async () => {
  const image = "gcr.io/k8s-staging-cri-tools/test-image-tags";
  const id = await pull(`${image}:1`);
  for (const tag of ["2", "3"]) assert.equal(await pull(`${image}:${tag}`), id);
  assert.equal((await status(id)).repo_tags.length, 3);
  await node.image("RemoveImage", { image: { image: `${image}:2` } });
  assert.equal(await status(id), null);
  await node.image("RemoveImage", { image: { image: id } });
});

test("an image that a container uses is not removed, nor any of its names", async () => {
  const { container } = await node.start();
  const before = await status(busybox);
  await assert.rejects(node.image("RemoveImage", { image: { image: busybox } }), {
    code: 9,
    message: /in use by k8s_/,
  });
  assert.deepEqual(await status(busybox), before);
  assert.equal((await node.status(container)).state, "CONTAINER_RUNNING");
});

test("the inodes of images and of what containers wrote are told when they have been counted", async () => {
  const { container } = await node.start({ command: ["sh", "-c", "echo x >/file; touch /done; sleep 1000"] });
  await eventually("it is written", async () => (await node.exec(container, ["ls", "/done"])).exit === 0);
  const other = await startNode();
  try {
    const { image_filesystems, container_filesystems } = await eventually("all is counted", async () => {
      const info = await other.image("ImageFsInfo", {});
      const [{ inodes_used }] = info.container_filesystems;
      return info.image_filesystems[0].inodes_used !== null && Number(inodes_used.value) > 0 && info;
    });
    // Busybox has hundreds of links to itself, which are one file, and a folder for them.
    assert.ok(Number(image_filesystems[0].inodes_used.value) > 2, image_filesystems[0].inodes_used.value);
    assert.ok(Number(container_filesystems[0].used_bytes.value) > 0);
  } finally {
    await other.close();
  }
  await node.runtime("RemoveContainer", { container_id: container });
});

test("the images' filesystem is Docker's, with the bytes that the images take", async () => {
  const { image_filesystems, container_filesystems } = await node.image("ImageFsInfo", {});
  const { DockerRootDir } = (await docker().info()) as { DockerRootDir: string };
  assert.equal(image_filesystems[0].fs_id.mountpoint, DockerRootDir);
  assert.ok(Number(image_filesystems[0].used_bytes.value) > 100_000);
  assert.equal(container_filesystems[0].fs_id.mountpoint, DockerRootDir);
});

/** A registry with one image whose layer takes hours to come; it keeps the credentials that it was shown. */
class StuckRegistry {
  readonly authorizations: (string | undefined)[] = [];
  /** Layer downloads that were begun, and those that the other side broke off. */
  readonly begun = new EventTarget();
  readonly brokenOff = new EventTarget();
  server: Server | undefined;
  image = "";

  async start(options: { password?: string } = {}): Promise<void> {
    const layer = `sha256:${"1".repeat(64)}`;
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [layer] } }),
    );
    const configDigest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.docker.distribution.manifest.v2+json",
        config: {
          mediaType: "application/vnd.docker.container.image.v1+json",
          size: config.length,
          digest: configDigest,
        },
        layers: [
          { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: 1_000_000, digest: layer },
        ],
      }),
    );
    const answer = (
      response: ServerResponse,
      status: number,
      headers: Record<string, string>,
      body: Buffer | string = "",
    ) => response.writeHead(status, { "Content-Length": String(body.length), ...headers }).end(body);
    this.server = createServer((request, response) => {
      const wanted =
        options.password && `Basic ${Buffer.from(`user:${options.password}`).toString("base64")}`;
      if (wanted) {
        this.authorizations.push(request.headers.authorization);
        if (request.headers.authorization !== wanted) {
          const body = JSON.stringify({
            errors: [{ code: "UNAUTHORIZED", message: "authentication required" }],
          });
          return answer(
            response,
            401,
            { "WWW-Authenticate": 'Basic realm="test"', "Content-Type": "application/json" },
            body,
          );
        }
      }
      if (request.url === "/v2/") return answer(response, 200, {}, "{}");
      if (request.url?.includes("/manifests/")) {
        const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
        return answer(
          response,
          200,
          {
            "Content-Type": "application/vnd.docker.distribution.manifest.v2+json",
            "Docker-Content-Digest": digest,
          },
          manifest,
        );
      }
      if (request.url?.endsWith(configDigest))
        return answer(response, 200, { "Content-Type": "application/octet-stream" }, config);
      response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": "1000000" });
      // Docker looks up from a read only when something comes; too little to be called progress.
      const trickle = setInterval(() => response.write("x"), 20);
      response.once("close", () => {
        clearInterval(trickle);
        this.brokenOff.dispatchEvent(new Event("layer"));
      });
      this.begun.dispatchEvent(new Event("layer"));
      return undefined;
    }).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.image = `127.0.0.1:${(this.server.address() as AddressInfo).port}/stuck/image:1`;
  }

  close(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

async function withStuckRegistry(
  options: { password?: string },
  use: (registry: StuckRegistry) => Promise<void>,
) {
  const stuck = new StuckRegistry();
  await stuck.start(options);
  try {
    await use(stuck);
  } finally {
    stuck.close();
  }
}

test("a client that cancels its pull makes Docker break the download off", () =>
  withStuckRegistry({}, async (stuck) => {
    const abort = new AbortController();
    const begun = once(stuck.begun, "layer");
    const brokenOff = once(stuck.brokenOff, "layer");
    const refused = assert.rejects(pull(stuck.image, undefined, abort.signal), { code: 1 });
    await begun;
    abort.abort();
    await refused;
    await brokenOff;
  }));

test("a pull without progress is given up after the deadline of the flag", () =>
  withStuckRegistry({}, async (stuck) => {
    const impatient = await startNode({ imagePullProgressDeadline: 500 });
    try {
      const brokenOff = once(stuck.brokenOff, "layer");
      await assert.rejects(impatient.image("PullImage", { image: { image: stuck.image } }), {
        code: 4,
        message: /no progress .*--image-pull-progress-deadline/,
      });
      await brokenOff;
    } finally {
      await impatient.close();
    }
  }));

test("credentials reach the registry, wrong or missing ones are an error in its words", () =>
  withStuckRegistry({ password: "s3cret" }, async (stuck) => {
    for (const auth of [undefined, { username: "user", password: "wrong" }]) {
      await assert.rejects(pull(stuck.image, auth), /unauthorized|no basic auth|authentication required/i);
    }
    const right = [
      { username: "user", password: "s3cret" },
      { auth: Buffer.from("user:s3cret").toString("base64") },
    ];
    for (const auth of right) {
      const abort = new AbortController();
      const begun = once(stuck.begun, "layer");
      const refused = assert.rejects(pull(stuck.image, auth, abort.signal), { code: 1 });
      await begun;
      abort.abort();
      await refused;
    }
  }));

test("credentials for another registry are not shown", () =>
  withStuckRegistry({ password: "s3cret" }, async (stuck) => {
    const auth = { username: "user", password: "s3cret", server_address: "https://other.example" };
    await assert.rejects(pull(stuck.image, auth), /unauthorized|no basic auth|authentication required/i);
    assert.ok(stuck.authorizations.length > 0);
    assert.ok(stuck.authorizations.every((shown) => shown === undefined));
  }));
