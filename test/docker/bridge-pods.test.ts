/** Pods with --network-plugin=bridge, as their client sees them. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { addNodeAddresses, nodeAddress, nodeAddress6, output } from "../support/network-state.js";
import { ask, askFrom, askUdp, startEcho } from "../support/pod-net.js";
import { code, docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
const echoes: ChildProcess[] = [];
before(async () => {
  await addNodeAddresses();
  node = await startNode({ podCidrs: ["10.96.0.0/24", "fd96::/64"], bridgeMtu: 1400 });
});
after(async () => {
  for (const echo of echoes) echo.kill();
  await node.close();
  await docker().getNetwork("dockershim").remove();
});

async function echoing(fields: object = {}): Promise<string> {
  const pod = await node.runPod(node.podConfig(fields));
  echoes.push(await startEcho(pod, "pod", 7));
  return pod;
}

test("pods have an address of each given range, and reach each other and are reached there", async () => {
  const pod = await echoing();
  const other = await node.runPod(node.podConfig());
  const [v4 = "", v6 = "", ...more] = await node.podIps(pod);
  assert.match(v4, /^10\.96\.0\.\d+$/);
  assert.match(v6, /^fd96::[0-9a-f]+$/);
  assert.deepEqual(more, []);
  const [other4, other6] = await node.podIps(other);
  assert.equal(await askFrom(other, v4, 7, "a"), `pod heard a from ${other4}`);
  assert.equal(await askFrom(other, v6, 7, "b"), `pod heard b from ${other6}`);
  assert.match(await ask(v4, 7, "c"), /^pod heard c from 10\.96\.0\.1$/);
  assert.match(await output("ip", "link", "show", "dockershim0"), /mtu 1400/);
  await Promise.all([node.removePod(pod), node.removePod(other)]);
});

test("host ports lead to the pod: TCP and UDP, IPv4 and IPv6, from the host, from pods, and from itself", async () => {
  const pod = await echoing({
    port_mappings: [
      { protocol: "TCP", container_port: 7, host_port: 23007 },
      { protocol: "UDP", container_port: 7, host_port: 23007 },
      { protocol: "TCP", container_port: 7, host_port: 23008, host_ip: nodeAddress },
    ],
  });
  const other = await node.runPod(node.podConfig());
  assert.match(await ask(nodeAddress, 23007, "tcp"), /^pod heard tcp from /);
  assert.match(await ask(nodeAddress6, 23007, "tcp6"), /^pod heard tcp6 from /);
  assert.match(await ask("127.0.0.1", 23007, "local"), /^pod heard local from /);
  assert.match(await askUdp(nodeAddress, 23007, "udp"), /^pod heard udp from /);
  assert.match(await askFrom(other, nodeAddress, 23007, "other"), /^pod heard other from /);
  assert.match(await askFrom(pod, nodeAddress, 23007, "hairpin"), /^pod heard hairpin from /);
  assert.match(await ask(nodeAddress, 23008, "one address"), /^pod heard one address from /);
  await assert.rejects(ask("127.0.0.1", 23008, "another address"), { code: "ECONNREFUSED" });
  await Promise.all([node.removePod(pod), node.removePod(other)]);
  await assert.rejects(ask(nodeAddress, 23007, "nobody"), { code: "ECONNREFUSED" });
});

test("an SCTP port is published where the kernel has SCTP, and else refused in its words", async () => {
  const port_mappings = [{ protocol: "SCTP", container_port: 9, host_port: 23009 }];
  const running = node.runPod(node.podConfig({ port_mappings }));
  if (!existsSync("/proc/net/sctp")) {
    await assert.rejects(running, /protocol not supported/);
    return;
  }
  const pod = await running;
  const [v4] = await node.podIps(pod);
  assert.match(await output("iptables-save", "-t", "nat"), new RegExp(`-p sctp .*--dport 23009 .*${v4}:9\n`));
  await node.removePod(pod);
});

test("a host port that another pod has is refused with the port, and nothing is left", async () => {
  const port_mappings = [{ protocol: "TCP", container_port: 7, host_port: 23010 }];
  const pod = await node.runPod(node.podConfig({ port_mappings }));
  const before = (await docker().listContainers({ all: true })).length;
  await assert.rejects(node.runPod(node.podConfig({ port_mappings })), /23010.* already allocated/);
  assert.equal((await docker().listContainers({ all: true })).length, before);
  await node.removePod(pod);
});

test("bandwidth annotations limit a pod both ways, and the limits go with it", async () => {
  const annotations = { "kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "16M" };
  const pod = await node.runPod(node.podConfig({ annotations }));
  const limits = async () =>
    (await output("tc", "qdisc")).split("\n").flatMap((line) => /tbf .*rate (\w+)/.exec(line)?.[1] ?? []);
  assert.deepEqual((await limits()).sort(), ["16Mbit", "8Mbit"]);
  await node.removePod(pod);
  assert.deepEqual(await limits(), []);
});

test("a sandbox that is started again has its addresses and its ports back", async () => {
  const port_mappings = [{ protocol: "TCP", container_port: 7, host_port: 23011 }];
  const first = await node.runPod(node.podConfig());
  const pod = await echoing({ port_mappings });
  const before = await node.podIps(pod);
  await docker().getContainer(pod).kill();
  // A lower address is free by now.
  await node.removePod(first);
  await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
  assert.deepEqual(await node.podIps(pod), before);
  echoes.push(await startEcho(pod, "again", 7));
  assert.match(await ask(nodeAddress, 23011, "a"), /^again heard a from /);
  await node.removePod(pod);
});

test("UpdateRuntimeConfig changes the pods' range when no pod is in the way", async () => {
  const runtime_config = { network_config: { pod_cidr: "10.97.0.0/24" } };
  const pod = await node.runPod(node.podConfig());
  await assert.rejects(node.runtime("UpdateRuntimeConfig", { runtime_config }), {
    code: code.FAILED_PRECONDITION,
    details: /pods use 10\.96\.0\.0\/24 and fd96::\/64 .* cannot be changed to 10\.97\.0\.0\/24/,
  });
  await node.removePod(pod);
  await node.runtime("UpdateRuntimeConfig", { runtime_config });
  const next = await node.runPod(node.podConfig());
  assert.match((await node.podIps(next)).join(), /^10\.97\.0\.\d+$/);
  await node.removePod(next);
});
