/** Lists that come in parts, for nodes whose lists do not fit into one message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status, type ServiceError } from "@grpc/grpc-js";
import { runContainer, runPod, sharedServer, type Method, type Rpc } from "../support/server.js";

const shared = await sharedServer();

/** The items of every message of a stream. */
async function collect(rpc: Rpc, method: Method, field: string, request: object = {}) {
  const parts: unknown[][] = [];
  for await (const message of rpc.stream(method, request)) {
    parts.push((message as unknown as Record<string, unknown[]>)[field] ?? []);
  }
  return parts;
}

/** A pod with a container each. */
async function fill(rpc: Rpc, count: number): Promise<string[]> {
  const pods: string[] = [];
  for (let index = 0; index < count; index++) {
    const metadata = { name: `web-${index}`, uid: `u${index}`, namespace: "shop", attempt: 0 };
    const pod = await runPod(rpc, { metadata, labels: { parity: index % 2 ? "odd" : "even" } });
    await runContainer(rpc, pod, { labels: { parity: index % 2 ? "odd" : "even" } });
    pods.push(pod);
  }
  return pods;
}

const lists = [
  ["StreamPodSandboxes", "pod_sandboxes", "ListPodSandbox", "items"],
  ["StreamContainers", "containers", "ListContainers", "containers"],
  ["StreamImages", "images", "ListImages", "images"],
] as const;

test("streamed lists have what the lists have, in the same order and in parts", async () => {
  const rpc = shared.fresh().rpc("v1");
  await fill(rpc, 40);
  for (const [streaming, streamedField, listing, listedField] of lists) {
    const parts = await collect(rpc, streaming, streamedField);
    const listed = (await rpc(listing)) as unknown as Record<string, unknown[]>;
    assert.deepEqual(parts.flat(), listed[listedField], streaming);
    assert.equal(parts.length, Math.ceil(parts.flat().length / 32), streaming);
  }
});

test("streamed lists take the filters of the lists", async () => {
  const rpc = shared.fresh().rpc("v1");
  const [first = ""] = await fill(rpc, 3);
  const odd = { label_selector: { parity: "odd" } };
  const labelsOf = (parts: unknown[][]) =>
    (parts.flat() as { labels: { parity: string } }[]).map(({ labels }) => labels.parity);
  assert.deepEqual(labelsOf(await collect(rpc, "StreamPodSandboxes", "pod_sandboxes", { filter: odd })), [
    "odd",
  ]);
  assert.deepEqual(labelsOf(await collect(rpc, "StreamContainers", "containers", { filter: odd })), ["odd"]);
  const ofPod = { pod_sandbox_id: first };
  assert.equal((await collect(rpc, "StreamContainers", "containers", { filter: ofPod })).flat().length, 1);
});

for (const [method, field] of [
  ...lists.map(([method, field]) => [method, field] as const),
  ["StreamContainerStats", "container_stats"],
  ["StreamPodSandboxStats", "pod_sandbox_stats"],
] as const) {
  test(`${method} of nothing is a stream that ends without a message`, async () => {
    const { rpc: connect, engine } = shared.fresh();
    engine.images.clear();
    assert.deepEqual(await collect(connect("v1"), method, field), []);
  });

  test(`${method} while Docker is down is UNAVAILABLE`, async () => {
    const { engine, rpc: connect } = shared.fresh();
    const rpc = connect("v1");
    engine.down();
    await assert.rejects(collect(rpc, method, field), { code: status.UNAVAILABLE });
    engine.up();
    await collect(rpc, method, field);
  });
}

test("a filter that names an unknown state is refused by name", async () => {
  const rpc = shared.fresh().rpc("v1");
  const request = { filter: { state: { state: 7 } } };
  for (const [method, field] of lists.slice(0, 2)) {
    await assert.rejects(collect(rpc, method, field, request), (error: ServiceError) => {
      assert.equal(error.code, status.INVALID_ARGUMENT);
      assert.match(error.details, /filter\.state\.state/);
      return true;
    });
  }
});
