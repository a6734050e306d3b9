import assert from "node:assert/strict";
import { link, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { closeNetwork, openNetwork } from "../../../../src/streaming/pod-network/pod-process.js";
import { refuses } from "../../../support/assertions.js";
import { makeProc, type FakeProc } from "./fake-proc.js";

let proc: FakeProc;
before(async () => void (proc = await makeProc()));
after(() => proc.close());

function identityOf(pid: number): string {
  const found = openNetwork(pid, proc.directory);
  closeNetwork(found);
  return found.identity;
}

test("a process is the same each time one looks", async () => {
  await proc.add(7);
  assert.equal(identityOf(7), identityOf(7));
});

test("a process that took over the pid is another, in the same network too", async () => {
  await proc.add(8, 1000);
  const first = identityOf(8);
  const network = join(proc.directory, "8", "ns", "net");
  const kept = join(proc.directory, "kept");
  await link(network, kept);
  await proc.add(8, 1001);
  await rm(network);
  await link(kept, network);
  assert.notEqual(identityOf(8), first);
});

test("the same moment of start in another network is another", async () => {
  await proc.add(9, 1000);
  await proc.add(10, 1000);
  assert.notEqual(identityOf(9), identityOf(10));
});

test("a name with spaces and brackets does not shift the fields", async () => {
  await proc.add(11, 4242, "a) S (b 1 2");
  assert.match(identityOf(11), /started 4242$/);
});

test("a process that is not there is a pod that has gone", () => {
  refuses(() => openNetwork(404, proc.directory), "failedPrecondition", "the pod's process 404 has gone");
});

for (const owner of ["self", "1"]) {
  test(`a process in the network of /proc/${owner} is no pod's`, async () => {
    await proc.add(12);
    const network = join(proc.directory, owner, "ns", "net");
    if (owner === "1") await proc.add(1);
    await rm(network);
    await link(join(proc.directory, "12", "ns", "net"), network);
    refuses(() => openNetwork(12, proc.directory), "failedPrecondition", "process 12 is not in a pod's");
    await proc.add("self");
    await proc.remove(1);
  });
}

test("the real /proc: our own process is in the host's network", () => {
  refuses(() => openNetwork(process.pid, "/proc"), "failedPrecondition", `process ${process.pid} is not`);
});
