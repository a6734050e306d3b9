/** As whom containers run, from a client's request to Docker's and back. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { imageFilesType, ownerLabel, typeLabel } from "../../src/kube/labels.js";
import { unreachable } from "../support/fake-refusal.js";
import {
  appImage,
  createContainer,
  runPod,
  sandboxImage,
  sharedServer,
  startServer,
} from "../support/server.js";

const shared = await sharedServer();

const accounts = {
  "/etc/passwd": "root:x:0:0::/:\nweb:x:1000:1000::/:\n",
  "/etc/group": "web:x:1000:\nmedia:x:50000:web\n",
};

for (const [title, user, security_context, expected] of [
  [
    "by default the image's groups of the user and those asked for",
    "",
    { run_as_user: { value: 1000 }, supplemental_groups: [1234] },
    { uid: "1000", gid: "1000", supplemental_groups: ["1000", "50000", "1234"] },
  ],
  [
    "with Strict those asked for only",
    "",
    { run_as_user: { value: 1000 }, supplemental_groups: [1234], supplemental_groups_policy: "Strict" },
    { uid: "1000", gid: "1000", supplemental_groups: ["1000", "1234"] },
  ],
  [
    "the image's user when nothing is asked for",
    "web",
    {},
    { uid: "1000", gid: "1000", supplemental_groups: ["1000", "50000"] },
  ],
  [
    "a user by its name",
    "",
    { run_as_username: "web", run_as_group: { value: 7 } },
    { uid: "1000", gid: "7", supplemental_groups: ["7", "50000"] },
  ],
] as [string, string, object, object][]) {
  test(`v1: a container's status tells as whom it runs: ${title}`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    engine.images.publish(appImage, { user, files: accounts });
    const pod = await runPod(rpc);
    const container_id = await createContainer(rpc, pod, { linux: { security_context } });
    const found = (await rpc("ContainerStatus", { container_id })).status?.user;
    assert.deepEqual(found, { linux: expected });
  });
}

test("v1alpha2: a container gets the groups that the image has its user in", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1alpha2");
  engine.images.publish(appImage, { files: accounts });
  const security_context = { run_as_user: { value: 1000 }, supplemental_groups: [1234] };
  const id = await createContainer(rpc, await runPod(rpc), { linux: { security_context } });
  const { User, HostConfig } = engine.containers.optionsOf(id);
  assert.deepEqual([User, HostConfig?.GroupAdd], ["1000:1000", ["50000", "1234"]]);
});

for (const [title, user, security_context, code, words] of [
  [
    "that the client names",
    "",
    { run_as_username: "bob" },
    status.INVALID_ARGUMENT,
    /run_as_username "bob": no match/,
  ],
  ["that its image names", "bob", {}, status.FAILED_PRECONDITION, /runs as user "bob": no matching entries/],
] as [string, string, object, number, RegExp][]) {
  test(`v1: a container of an unknown user ${title} is refused, and nothing is left`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    engine.images.publish(appImage, { user, files: accounts });
    const pod = await runPod(rpc);
    await assert.rejects(createContainer(rpc, pod, { linux: { security_context } }), {
      code,
      details: words,
    });
    assert.deepEqual(engine.containers.names, ["k8s_POD_web-0_shop_7c1e_0"]);
  });
}

test("v1: while an image is read, nobody sees a container of it", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const rpc = connect("v1");
  // What is known of an image is kept for as long as the server runs.
  engine.images.publish(appImage, { content: "never read before" });
  const pod = await runPod(rpc);
  const held = engine.hold("readPath");
  const creating = createContainer(rpc, pod);
  await held.reached;
  assert.deepEqual((await rpc("ListContainers")).containers, []);
  assert.equal((await rpc("ListPodSandbox")).items.length, 1);
  held.release();
  await creating;
});

test("v1: a sandbox that asks for no user has its image's, and no file is read", async () => {
  const { engine, rpc: connect } = shared.fresh();
  const pod = await runPod(connect("v1"));
  assert.equal("User" in engine.containers.optionsOf(pod), false);
  assert.equal(engine.calls.filter(({ method }) => method === "createContainer").length, 1);
});

test("v1: a sandbox runs as the user and in the groups that are asked for", async () => {
  const { engine, rpc: connect } = shared.fresh();
  engine.images.add(sandboxImage, { content: "pause as nobody", user: "65535:65535" });
  const run = async (uid: string, security_context: object) => {
    const metadata = { name: "web-0", uid, namespace: "shop" };
    const pod = await runPod(connect("v1"), { metadata, linux: { security_context } });
    const { User, HostConfig } = engine.containers.optionsOf(pod);
    return [User, HostConfig?.GroupAdd];
  };
  assert.deepEqual(await run("1", { run_as_user: { value: 1000 }, supplemental_groups: [7] }), [
    "1000:0",
    ["7"],
  ]);
  assert.deepEqual(await run("2", { supplemental_groups: [7], supplemental_groups_policy: "Strict" }), [
    "65535:65535",
    ["7"],
  ]);
});

test("v1: what an earlier life left behind is gone after the start", async (t) => {
  let prepared = "";
  const { engine, rpc } = await startServer(t, {}, (fresh) => {
    const owner = join(dirname(fresh.facts.DockerRootDir), "root");
    const Labels = { [typeLabel]: imageFilesType, [ownerLabel]: owner };
    prepared = fresh.containers.create({ Image: sandboxImage, Labels }).id;
    fresh.fail("events", unreachable());
  });
  // Whatever is read waits until leftovers are gone.
  await createContainer(rpc("v1"), await runPod(rpc("v1")));
  assert.throws(() => engine.containers.inspect(prepared), { kind: "notFound" });
});

test("v1: the node says that it supports SupplementalGroupsPolicy", async () => {
  const { features } = await shared.fresh().rpc("v1")("Status");
  assert.equal(features?.supplemental_groups_policy, true);
});
