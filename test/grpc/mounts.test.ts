/** Mounts as a client sees them, with an engine that makes them all itself. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { createContainer, runPod, startServer, type TestServer } from "../support/server.js";

/** Images are in containerd, and the runtime knows recursive read-only. */
const start = (t: Parameters<typeof startServer>[0]): Promise<TestServer> =>
  startServer(t, {}, (engine) => {
    const features = JSON.stringify({ mountOptions: ["rro"] });
    const runc = { status: { "org.opencontainers.runtime-spec.features": features } };
    Object.assign(engine.facts, { Driver: "overlayfs", Runtimes: { runc } });
  });
const volume = (image: object, fields: object = {}) => ({
  image,
  container_path: "/vol",
  readonly: true,
  ...fields,
});

test("a mounted image is looked up, mounted by its id, and reported as it was asked for", async (t) => {
  const { engine, rpc: connect } = await start(t);
  const rpc = connect("v1");
  const id = engine.images.add("files:1");
  const image = { image: "files:1", user_specified_image: "docker.io/library/files:1" };
  const container = await createContainer(rpc, await runPod(rpc), {
    mounts: [volume(image, { image_sub_path: "etc" })],
  });
  assert.deepEqual(engine.containers.optionsOf(container).HostConfig?.Mounts, [
    { Type: "image", Source: id, Target: "/vol", ReadOnly: true, ImageOptions: { Subpath: "etc" } },
  ]);
  const reported = (await rpc("ContainerStatus", { container_id: container })).status;
  const [mount] = reported?.mounts ?? [];
  assert.deepEqual(
    [mount?.host_path, mount?.readonly, mount?.image_sub_path, mount?.image?.image],
    ["", true, "etc", "files:1"],
  );
  assert.deepEqual(
    [mount?.image?.image_ref, mount?.image?.user_specified_image],
    [id, "docker.io/library/files:1"],
  );
  assert.deepEqual(reported?.labels, {}, "what we keep is not the client's");
});

test("an image that is not here cannot be mounted", async (t) => {
  const { rpc: connect, engine } = await start(t);
  const rpc = connect("v1");
  const pod = await runPod(rpc);
  const before = engine.containers.names;
  await assert.rejects(createContainer(rpc, pod, { mounts: [volume({ image: "no/such:1" })] }), {
    code: status.NOT_FOUND,
    details: /no\/such:1 is not here/,
  });
  assert.deepEqual(engine.containers.names, before);
});

test("an image is in use while a container has it mounted, and no longer", async (t) => {
  const { engine, rpc: connect } = await start(t);
  const rpc = connect("v1");
  const id = engine.images.add("files:1");
  const other = engine.images.add("others:1");
  const container = await createContainer(rpc, await runPod(rpc), { mounts: [volume({ image: "files:1" })] });
  await assert.rejects(rpc("RemoveImage", { image: { image: "files:1" } }), {
    code: status.FAILED_PRECONDITION,
    details: /files:1 is in use by k8s_/,
  });
  await rpc("RemoveImage", { image: { image: other } });
  await rpc("RemoveContainer", { container_id: container });
  await rpc("RemoveImage", { image: { image: id } });
  assert.equal((await rpc("ImageStatus", { image: { image: id } })).image, null);
});

test("a recursively read-only mount is asked of Docker and reported, and the handlers say that they have it", async (t) => {
  const { directory, engine, rpc: connect } = await start(t);
  const rpc = connect("v1");
  const host_path = join(directory, "data");
  const container = await createContainer(rpc, await runPod(rpc), {
    mounts: [{ host_path, container_path: "/data", readonly: true, recursive_read_only: true }],
  });
  const [made] = engine.containers.optionsOf(container).HostConfig?.Mounts ?? [];
  assert.deepEqual(made?.BindOptions, {
    Propagation: "rprivate",
    CreateMountpoint: true,
    ReadOnlyForceRecursive: true,
  });
  const [mount] = (await rpc("ContainerStatus", { container_id: container })).status?.mounts ?? [];
  assert.deepEqual([mount?.host_path, mount?.recursive_read_only], [host_path, true]);
  const { runtime_handlers, features } = await rpc("Status");
  assert.ok(runtime_handlers.every((handler) => handler.features?.recursive_read_only_mounts));
  assert.equal(features?.mount_options, true);
});

test("what an image's labels say of mounts is not believed", async (t) => {
  const { engine, rpc: connect } = await start(t);
  const rpc = connect("v1");
  const id = engine.images.add("busybox:1.36");
  const forged = [{ containerPath: "/data", hostPath: "/forged", options: [], readonly: true }];
  const labels = { "io.kubernetes.docker.mounts": JSON.stringify(forged) };
  engine.images.label(id, labels);
  const { directory } = engine.containers;
  const container = await createContainer(rpc, await runPod(rpc), {
    mounts: [{ host_path: join(directory, "data"), container_path: "/data" }],
  });
  const [mount] = (await rpc("ContainerStatus", { container_id: container })).status?.mounts ?? [];
  assert.equal(mount?.host_path, join(directory, "data"));
});
