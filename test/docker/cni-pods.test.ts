/** Pods on CNI networks of Debian's real plugins. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { messageOf } from "../../src/errors.js";
import { bridgePlugin, conflist, firewall, fullConf, hostLocal, portmap } from "../support/cni-confs.js";
import { makeCniPlace, type CniPlace } from "../support/cni-place.js";
import { addNodeAddresses, changes, nodeAddress, nodeAddress6, output } from "../support/network-state.js";
import { ask, askFrom, askUdp, pidOf, startEcho } from "../support/pod-net.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
let place: CniPlace;
const echoes: ChildProcess[] = [];

const bridged = (subnets = ["10.90.0.0/24", "fd90::/64"]) => ({
  name: "pods",
  bridge: "cni-pods",
  subnets,
  leases: place.leases,
});

before(async () => {
  await addNodeAddresses();
  await output("ip", "link", "add", "cni-master", "type", "veth", "peer", "name", "cni-peer");
  await output("ip", "link", "set", "cni-master", "up");
  place = await makeCniPlace();
  await place.use(fullConf(bridged()));
  node = await startNode({ networkPlugin: "cni", cni: place.cni });
  // The first pod makes what stays: the bridge, and the plugins' own chains.
  const port_mappings = [{ protocol: "TCP", container_port: 1, host_port: 20001 }];
  await node.removePod(await node.runPod(node.podConfig({ port_mappings })));
});
after(async () => {
  for (const echo of echoes) echo.kill();
  await node.close();
  await place.remove();
  await output("ip", "link", "delete", "cni-master");
});

async function echoing(port: number, fields: object = {}): Promise<string> {
  const pod = await node.runPod(node.podConfig(fields));
  echoes.push(await startEcho(pod, "pod", port));
  return pod;
}

/** A test that leaves the host as it was. */
function tidy(title: string, body: (t: TestContext) => Promise<void>): void {
  test(`${title}; nothing of it is left`, async (t) => {
    const before = await place.state();
    await body(t);
    assert.deepEqual(changes(before, await place.state()), []);
  });
}

tidy("a pod has the addresses of its ADD result, and others reach it there", async () => {
  const pod = await echoing(7);
  const other = await node.runPod(node.podConfig());
  const [v4 = "", v6 = "", ...more] = await node.podIps(pod);
  assert.match(v4, /^10\.90\.0\.\d+$/);
  assert.match(v6, /^fd90::[0-9a-f]+$/);
  assert.deepEqual(more, []);
  const [other4, other6] = await node.podIps(other);
  assert.equal(await askFrom(other, v4, 7, "a"), `pod heard a from ${other4}`);
  assert.equal(await askFrom(other, v6, 7, "b"), `pod heard b from ${other6}`);
  assert.match(await ask(v4, 7, "c"), /^pod heard c from 10\.90\.0\.1$/);
  await Promise.all([node.removePod(pod), node.removePod(other)]);
});

tidy("a pod's loopback is up, for both families, without a plugin of that name", async () => {
  const pod = await echoing(7);
  assert.equal(await askFrom(pod, "127.0.0.1", 7, "a"), "pod heard a from 127.0.0.1");
  assert.equal(await askFrom(pod, "::1", 7, "a"), "pod heard a from ::1");
  await node.removePod(pod);
});

tidy("sysctls, host name, DNS and /etc/hosts are as the pod asked for", async () => {
  const hosts = join(node.directory, "hosts");
  await writeFile(hosts, "10.1.2.3 of-the-kubelet\n");
  const { pod, container } = await node.start(
    { mounts: [{ container_path: "/etc/hosts", host_path: hosts }] },
    {
      hostname: "web-0.shop.svc.cluster.example",
      dns_config: { servers: ["10.9.8.7"], searches: ["svc.example"], options: ["ndots:5"] },
      linux: { sysctls: { "net.ipv4.ip_local_port_range": "40000 50000" } },
    },
  );
  const out = async (...command: string[]) => (await node.exec(container, command)).out;
  assert.equal(await out("cat", "/etc/hosts"), "10.1.2.3 of-the-kubelet\n");
  assert.equal(await out("hostname"), "web-0.shop.svc.cluster.example\n");
  assert.equal(
    await out("cat", "/etc/resolv.conf"),
    "nameserver 10.9.8.7\nsearch svc.example\noptions ndots:5\n",
  );
  assert.equal(await out("cat", "/proc/sys/net/ipv4/ip_local_port_range"), "40000\t50000\n");
  await node.removePod(pod);
});

tidy(
  "host ports lead to the pod: TCP and UDP, IPv4 and IPv6, from the host, from pods, and from itself",
  async () => {
    const pod = await echoing(7, {
      port_mappings: [
        { protocol: "TCP", container_port: 7, host_port: 20007 },
        { protocol: "UDP", container_port: 7, host_port: 20007 },
        { protocol: "TCP", container_port: 7, host_port: 20008, host_ip: nodeAddress },
      ],
    });
    const other = await node.runPod(node.podConfig());
    assert.match(await ask(nodeAddress, 20007, "tcp"), /^pod heard tcp from /);
    assert.match(await ask(nodeAddress6, 20007, "tcp6"), /^pod heard tcp6 from /);
    assert.match(await ask("127.0.0.1", 20007, "local"), /^pod heard local from /);
    assert.match(await askUdp(nodeAddress, 20007, "udp"), /^pod heard udp from /);
    assert.match(await askUdp(nodeAddress6, 20007, "udp6"), /^pod heard udp6 from /);
    assert.match(await askFrom(other, nodeAddress, 20007, "other"), /^pod heard other from /);
    assert.match(await askFrom(other, nodeAddress6, 20007, "other6"), /^pod heard other6 from /);
    assert.match(await askFrom(pod, nodeAddress, 20007, "hairpin"), /^pod heard hairpin from /);
    assert.match(await askFrom(pod, nodeAddress6, 20007, "hairpin6"), /^pod heard hairpin6 from /);
    assert.match(await ask(nodeAddress, 20008, "one address"), /^pod heard one address from /);
    await assert.rejects(ask("127.0.0.1", 20008, "another address"), { code: "ECONNREFUSED" });
    await Promise.all([node.removePod(pod), node.removePod(other)]);
  },
);

tidy("an SCTP port is forwarded", async () => {
  const pod = await node.runPod(
    node.podConfig({ port_mappings: [{ protocol: "SCTP", container_port: 9, host_port: 20009 }] }),
  );
  const [v4] = await node.podIps(pod);
  assert.match(await output("iptables-save", "-t", "nat"), new RegExp(`-p sctp .*--dport 20009 .*${v4}:9\n`));
  await node.removePod(pod);
});

tidy("a host port that another pod has is refused by its name", async () => {
  const port_mappings = [{ protocol: "TCP", container_port: 7, host_port: 20010 }];
  const config = node.podConfig({ port_mappings });
  const pod = await node.runPod(config);
  const before = await place.state();
  await assert.rejects(node.runPod(node.podConfig({ port_mappings })), {
    code: 9,
    details: `host port 20010/tcp is in use by pod test/${config.metadata.name}`,
  });
  assert.deepEqual(changes(before, await place.state()), []);
  assert.deepEqual(changes(before, await place.state()), []);
  // Another protocol is another port.
  const udp = [{ protocol: "UDP", container_port: 7, host_port: 20010 }];
  const other = await node.runPod(node.podConfig({ port_mappings: udp }));
  await Promise.all([node.removePod(pod), node.removePod(other)]);
  const again = await node.runPod(node.podConfig({ port_mappings }));
  await node.removePod(again);
});

for (const protocol of ["TCP", "UDP"] as const) {
  tidy(`a host port that a program of the host has is refused (${protocol})`, async () => {
    const holder = protocol === "TCP" ? createServer().listen(0, "0.0.0.0") : createSocket("udp4").bind(0);
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const port_mappings = [{ protocol, container_port: 7, host_port: port }];
    try {
      await assert.rejects(node.runPod(node.podConfig({ port_mappings })), {
        code: 9,
        details: `host port ${port}/${protocol.toLowerCase()} is in use by a program on this host`,
      });
    } finally {
      holder.close();
    }
  });
}

tidy("bandwidth annotations limit a pod both ways, and go with it", async () => {
  const pod = await node.runPod(
    node.podConfig({
      annotations: { "kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "16M" },
    }),
  );
  const limits = (await output("tc", "qdisc")).split("\n").filter((line) => line.includes("tbf"));
  assert.deepEqual(limits.map((line) => /rate (\w+)/.exec(line)?.[1]).sort(), ["16Mbit", "8Mbit"]);
  await node.removePod(pod);
  const unfit = node.podConfig({ annotations: { "kubernetes.io/egress-bandwidth": "fast" } });
  await assert.rejects(node.runPod(unfit), { code: 3, details: /kubernetes\.io\/egress-bandwidth.*fast/ });
});

tidy("a sandbox that is started again has its addresses, ports and interface back", async () => {
  const pod = await echoing(7, {
    port_mappings: [{ protocol: "TCP", container_port: 7, host_port: 20011 }],
  });
  const before = await node.podIps(pod);
  await docker().getContainer(pod).kill();
  // Somebody else takes the next address.
  const other = await node.runPod(node.podConfig());
  await node.runtime("StartPodSandbox", { pod_sandbox_id: pod });
  assert.deepEqual(await node.podIps(pod), before);
  echoes.push(await startEcho(pod, "again", 7));
  assert.match(await ask(nodeAddress, 20011, "a"), /^again heard a from /);
  await Promise.all([node.removePod(pod), node.removePod(other)]);
});

tidy("inspecting a pod says whether the plugins still find what they made", async () => {
  // Debian's portmap and bandwidth have errors in their CHECK.
  await place.use(conflist("pods", [bridgePlugin(bridged()), firewall]));
  const pod = await node.runPod(node.podConfig());
  const check = async () =>
    JSON.stringify((await node.runtime("PodSandboxStatus", { pod_sandbox_id: pod, verbose: true })).info);
  assert.match(await check(), /"networkCheck":"ok"/);
  await output(
    "nsenter",
    `--net=/proc/${await pidOf(pod)}/ns/net`,
    "ip",
    "link",
    "set",
    "eth0",
    "name",
    "eth9",
  );
  assert.match(await check(), /CNI plugin .*bridge.* \(CHECK\) failed: /);
  await output(
    "nsenter",
    `--net=/proc/${await pidOf(pod)}/ns/net`,
    "ip",
    "link",
    "set",
    "eth9",
    "name",
    "eth0",
  );
  await node.removePod(pod);
});

for (const cniVersion of ["0.3.1", "0.4.0", "1.0.0"]) {
  // The firewall plugin is younger than 0.3.1.
  const plugins = () => [bridgePlugin(bridged()), portmap, ...(cniVersion === "0.3.1" ? [] : [firewall])];
  tidy(`a configuration of version ${cniVersion} is run, and taken back when it has gone`, async () => {
    await place.use(conflist("pods", plugins(), cniVersion));
    const pod = await node.runPod(
      node.podConfig({ port_mappings: [{ protocol: "TCP", container_port: 7, host_port: 20012 }] }),
    );
    assert.equal((await node.podIps(pod)).length, 2);
    await place.use({ cniVersion: "9.9.9" });
    await node.removePod(pod);
  });
}

tidy("the pods' ranges are those of UpdateRuntimeConfig, for plugins that take them", async () => {
  const network = { ...bridged([]), bridge: "cni-ranges" };
  await place.use(
    conflist("pods", [{ ...bridgePlugin(network), capabilities: { ipRanges: true } }, portmap]),
  );
  const network_config = { pod_cidr: "10.90.1.0/24,fd90:0:0:1::/64" };
  await node.runtime("UpdateRuntimeConfig", { runtime_config: { network_config } });
  const pod = await node.runPod(node.podConfig());
  const [v4 = "", v6 = ""] = await node.podIps(pod);
  assert.match(v4, /^10\.90\.1\./);
  assert.match(v6, /^fd90:0:0:1::/);
  await node.removePod(pod);
  await output("ip", "link", "delete", "cni-ranges");
});

/** Every kernel has veth, and not every one ipvlan. */
async function ipvlanMissing(): Promise<string | false> {
  try {
    await output("ip", "link", "add", "cni-try", "link", "cni-master", "type", "ipvlan");
    await output("ip", "link", "delete", "cni-try");
    return false;
  } catch (error) {
    return `this kernel has no ipvlan: ${messageOf(error)}`;
  }
}

for (const { type, title, plugin } of [
  { type: "ptp", title: "a routed pair", plugin: { ipMasq: true } },
  { type: "ipvlan", title: "a slave of an interface of the host", plugin: { master: "cni-master" } },
]) {
  tidy(`the ${type} plugin gives a pod ${title}, of both families`, async (t) => {
    const missing = type === "ipvlan" && (await ipvlanMissing());
    if (missing !== false) {
      t.skip(missing); // No package brings what the kernel lacks; the run's output says which, and counts it.
      return;
    }
    const range = type === "ptp" ? "91" : "92";
    const subnets = [`10.${range}.0.0/24`, `fd${range}::/64`];
    const ipam = hostLocal({ subnets, leases: join(place.leases, type) });
    await place.use(conflist(type, [{ type, ...plugin, ipam }]));
    const pod = await echoing(7);
    const other = await node.runPod(node.podConfig());
    const [v4 = "", v6 = ""] = await node.podIps(pod);
    assert.match(await askFrom(other, v4, 7, "a"), /^pod heard a from /);
    assert.match(await askFrom(other, v6, 7, "b"), /^pod heard b from /);
    await Promise.all([node.removePod(pod), node.removePod(other)]);
  });
}
