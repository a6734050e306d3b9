import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { busybox, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode({}, "v1alpha2");
});
after(() => node.close());

test("an old client drives a pod through its whole life", async () => {
  const version = await node.runtime("Version", { version: "0.1.0" });
  assert.equal(version.version, "0.1.0");
  assert.equal(version.runtime_api_version, "v1alpha2");
  const { status } = await node.runtime("Status", {});
  assert.deepEqual(
    status.conditions.map((c: { type: string; status: boolean }) => [c.type, c.status]),
    [
      ["RuntimeReady", true],
      ["NetworkReady", true],
    ],
  );
  const { image_ref } = await node.image("PullImage", { image: { image: busybox } });
  const config = node.podConfig({ labels: { from: "v1alpha2" } });
  const pod = await node.runPod(config);
  const container = await node.create(pod, config, {
    image: { image: image_ref },
    envs: [{ key: "OLD", value: "text in this version" }],
  });
  await node.runtime("StartContainer", { container_id: container });
  assert.equal((await node.exec(container, ["sh", "-c", "echo $OLD"])).out, "text in this version\n");
  assert.equal((await node.status(container)).state, "CONTAINER_RUNNING");
  await node.runtime("PauseContainer", { container_id: container });
  await node.runtime("UnpauseContainer", { container_id: container });
  const { containers } = await node.runtime("ListContainers", {
    filter: { pod_sandbox_id: pod, state: { state: "CONTAINER_RUNNING" } },
  });
  assert.deepEqual(
    containers.map((c: { id: string }) => c.id),
    [container],
  );
  await node.runtime("StopContainer", { container_id: container, timeout: "0" });
  await node.runtime("RemoveContainer", { container_id: container });
  await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
  await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
  await node.runtime("RemovePodSandbox", { pod_sandbox_id: pod });
  const { items } = await node.runtime("ListPodSandbox", {
    filter: { label_selector: { from: "v1alpha2" } },
  });
  assert.equal(items.length, 0);
});
