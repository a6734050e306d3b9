import assert from "node:assert/strict";
import { test } from "node:test";
import { Door } from "../support/door.js";
import { eventually } from "../support/eventually.js";
import { docker, startNode } from "../support/real-node.js";

test("while Docker is away nothing is made up, and afterwards everything is as it is there", async () => {
  const door = new Door();
  await door.open();
  const node = await startNode({ dockerSocketPath: door.path });
  try {
    const { pod, container } = await node.start();
    await door.shut();
    await eventually("RuntimeReady is false", async () => {
      const { status } = await node.runtime("Status", {});
      return status.conditions.some(
        (c: { type: string; status: boolean }) => c.type === "RuntimeReady" && !c.status,
      );
    });
    for (const [method, request] of [
      ["ListPodSandbox", {}],
      ["ListContainers", {}],
      ["ContainerStatus", { container_id: container }],
      ["StopPodSandbox", { pod_sandbox_id: pod }],
      ["RunPodSandbox", { config: node.podConfig() }],
      ["ExecSync", { container_id: container, cmd: ["true"] }],
    ] as const) {
      await assert.rejects(node.runtime(method, request), { code: 14 }, method);
    }
    await assert.rejects(node.image("ListImages", {}), { code: 14 });

    // While nobody looks, another client removes the container.
    await docker().getContainer(container).remove({ force: true });
    await door.open();
    await eventually("RuntimeReady is true", async () => {
      const { status } = await node.runtime("Status", {});
      return status.conditions.every((c: { status: boolean }) => c.status);
    });
    const { containers } = await node.runtime("ListContainers", { filter: { pod_sandbox_id: pod } });
    assert.equal(containers.length, 0);
    const { items } = await node.runtime("ListPodSandbox", { filter: { id: pod } });
    assert.equal(items[0].state, "SANDBOX_READY");
  } finally {
    await node.close();
    await door.shut();
  }
});

test("a server that starts while Docker is away serves as soon as it is there", async () => {
  const door = new Door();
  const node = await startNode({ dockerSocketPath: door.path });
  try {
    const { status } = await node.runtime("Status", {});
    assert.equal(status.conditions[0].reason, "DockerNotReachable");
    await assert.rejects(node.runtime("ListContainers", {}), { code: 14 });
    await door.open();
    await eventually("lists are answered", () => node.runtime("ListContainers", {}).catch(() => undefined));
  } finally {
    await node.close();
    await door.shut();
  }
});
