import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { fullId } from "../../../support/builders.js";
import { makeHost, type FakeHost } from "./fake-host.js";

const id = fullId("0123456789ab");
const queue = "dshim0123456789";

let host: FakeHost;
beforeEach(async () => {
  host = await makeHost();
  await host.addInterface("dockershim0", 3);
  await host.addInterface("docker0", 2);
  await host.addInterface("veth1", 7, "dockershim0");
  await host.addInterface("veth2", 9, "docker0");
  await host.addProcess(4242, 7);
});
afterEach(() => host.close());

const refused = (action: Promise<unknown>, message: RegExp) =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof CriError);
    assert.equal(error.kind, "failedPrecondition");
    assert.match(error.message, message);
    return true;
  });

test("the host's end of a pod's network is found", async () => {
  assert.equal(await host.shaper.hostEnd(4242), "veth1");
});

test("a process that has gone has no host's end", async () => {
  await refused(host.shaper.hostEnd(404), /^the network of the pod's process 404 cannot be seen/);
});

for (const [title, index] of [
  ["is not on our bridge", 9],
  ["is in another network", 70],
] as const) {
  test(`an interface that ${title} is not taken for the pod's`, async () => {
    await host.addProcess(4343, index);
    await refused(host.shaper.hostEnd(4343), /does not run in the host's network$/);
  });
}

test("removing a pod's limits removes its queue, and is no error without one", async () => {
  await host.shaper.shape(id, "veth1", { ingress: 10e6, egress: 10e6 });
  assert.ok((await host.names()).includes(queue));
  assert.deepEqual(await host.shaper.sandboxes(), ["0123456789"]);
  await host.shaper.remove(id);
  assert.deepEqual(await host.shaper.sandboxes(), []);
  host.commands.length = 0;
  await host.shaper.remove(id);
  assert.deepEqual(host.commands, []);
});

test("a queue that cannot be removed is told", async () => {
  await host.shaper.shape(id, "veth1", { egress: 10e6 });
  host.failing = "ip link delete";
  await assert.rejects(host.shaper.remove(id), /^CriError: ip link delete dev dshim0123456789: no$/);
});

test("the queue of a sandbox's earlier life gives way", async () => {
  await host.addInterface(queue, 50);
  await host.shaper.shape(id, "veth1", { egress: 10e6 });
  assert.equal(host.commands[0], `ip link delete dev ${queue}`);
  assert.ok((await host.names()).includes(queue));
});

for (const failing of [
  "tc qdisc add dev veth1 root",
  "ip link add",
  `tc qdisc add dev ${queue}`,
  "tc qdisc add dev veth1 ingress",
  "tc filter add",
]) {
  test(`nothing is left of limits when this fails: ${failing}`, async () => {
    const before = await host.names();
    host.failing = failing;
    await assert.rejects(
      host.shaper.shape(id, "veth1", { ingress: 10e6, egress: 10e6 }),
      (error) => error instanceof CriError && error.message.startsWith(failing),
    );
    assert.deepEqual(await host.names(), before);
    assert.ok(host.commands.includes("tc qdisc delete dev veth1 root"));
    assert.ok(host.commands.includes("tc qdisc delete dev veth1 ingress"));
  });
}

test("interfaces of others do not count as pods'", async () => {
  for (const [index, name] of ["dshim", "dshim012345678", "dshimGHIJKLMNOP", "xdshim012345678"].entries()) {
    await host.addInterface(name, 20 + index);
  }
  assert.deepEqual(await host.shaper.sandboxes(), []);
});
