import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { code, docker, startNode, type RealNode } from "../support/real-node.js";

const runtimeHandlers = { small: "crun", gvisor: "runsc" };
const nodes = new Map<string, RealNode>();
before(async () => {
  for (const version of ["v1", "v1alpha2"] as const) {
    nodes.set(version, await startNode({ runtimeHandlers }, version));
  }
});
after(async () => {
  for (const node of nodes.values()) await node.close();
});
const nodeOf = (version: string): RealNode => nodes.get(version) as RealNode;

const inspect = (id: string) => docker().getContainer(id).inspect();

/** The names of the files that an OCI runtime keeps of a container that it runs. */
const stateFile = { runc: "state.json", crun: "status" };

/** Which of the two runs a container, as their own files say. */
async function runtimesOf(id: string): Promise<string[]> {
  const directory = process.env["DOCKERSHIM_TEST_DIR"];
  if (directory === undefined) throw new Error("run this inside scripts/test-node");
  const paths = await readdir(join(directory, "exec"), { recursive: true });
  return Object.entries(stateFile)
    .filter(([, file]) => paths.some((path) => path.endsWith(join(id, file))))
    .map(([runtime]) => runtime);
}

for (const version of ["v1", "v1alpha2"]) {
  for (const [handler, runtime] of [
    ["crun", "crun"],
    ["small", "crun"],
    ["runc", "runc"],
  ] as const) {
    test(`${version}: a pod of the handler ${handler} lives its life under ${runtime}`, async () => {
      const node = nodeOf(version);
      const config = node.podConfig({ linux: { cgroup_parent: "/dockershim-test-handlers/pod" } });
      const pod = await node.runPod(config, handler);
      const container = await node.create(pod, config, {
        linux: {
          resources: { memory_limit_in_bytes: "67108864" },
          security_context: { run_as_user: { value: "1000" }, run_as_group: { value: "2000" } },
        },
      });
      await node.runtime("StartContainer", { container_id: container });
      for (const id of [pod, container]) {
        assert.equal((await inspect(id)).HostConfig.Runtime, runtime);
        assert.deepEqual(await runtimesOf(id), [runtime]);
      }
      assert.deepEqual(await node.exec(container, ["sh", "-c", "id -u; id -g; exit 3"]), {
        exit: 3,
        out: "1000\n2000\n",
        err: "",
      });
      assert.equal((await node.podStatus(pod)).runtime_handler, handler);
      const { items } = await node.runtime("ListPodSandbox", { filter: { id: pod } });
      assert.deepEqual([items[0].runtime_handler, { ...items[0].labels }], [handler, {}]);

      await node.runtime("StopContainer", { container_id: container, timeout: "20" });
      assert.equal((await node.status(container)).exit_code, 143);
      await node.runtime("StopPodSandbox", { pod_sandbox_id: pod });
      await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
      assert.equal((await node.podStatus(pod)).state, "SANDBOX_READY");
      await node.removePod(pod);
    });
  }

  test(`${version}: handlers that nobody can run are refused, and no sandbox is left`, async () => {
    const node = nodeOf(version);
    const config = node.podConfig();
    await assert.rejects(node.runPod(config, "gvisor"), {
      code: code.FAILED_PRECONDITION,
      details: /"gvisor" is Docker's runtime "runsc".*does not have; known are .*small/,
    });
    await assert.rejects(node.runPod(config, "firecracker"), {
      code: code.INVALID_ARGUMENT,
      details: /"firecracker" is not known to the Docker Engine; known are crun, .*runc, small/,
    });
    const { items } = await node.runtime("ListPodSandbox", {});
    assert.ok(
      !items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === config.metadata.name),
    );
  });
}

test("a container under crun has the capabilities and the limits that it was given", async () => {
  const node = nodeOf("v1");
  const config = node.podConfig();
  const pod = await node.runPod(config, "crun");
  const container = await node.create(pod, config, {
    linux: { resources: { memory_limit_in_bytes: "67108864", cpu_shares: "512" } },
  });
  await node.runtime("StartContainer", { container_id: container });
  const { out } = await node.exec(container, ["grep", "CapBnd", "/proc/self/status"]);
  assert.match(out, /CapBnd:\s+00000000a80425fb/);
  assert.equal((await node.status(container)).resources.linux.memory_limit_in_bytes, "67108864");
});

test("Status lists the handlers that can be had", async () => {
  const { runtime_handlers } = await nodeOf("v1").runtime("Status", {});
  const names: string[] = runtime_handlers.map(({ name }: { name: string }) => name);
  assert.equal(names[0], "");
  assert.ok(names.includes("crun") && names.includes("small") && names.includes("runc"), names.join());
  assert.ok(!names.includes("gvisor"), names.join());
});
