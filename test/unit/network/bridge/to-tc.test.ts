import assert from "node:assert/strict";
import { test } from "node:test";
import { toShapingCommands } from "../../../../src/network/bridge/to-tc.js";
import type { Bandwidth } from "../../../../src/network/bandwidth.js";

const ingress10M = "tc qdisc add dev veth1 root tbf rate 10000000bit burst 131072 limit 196608";
const egress1G = [
  "ip link add name queue1 up type ifb",
  "tc qdisc add dev queue1 root tbf rate 1000000000bit burst 12500000 limit 18750000",
  "tc qdisc add dev veth1 ingress",
  "tc filter add dev veth1 parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev queue1",
];

const cases: { title: string; bandwidth: Bandwidth; want: string[] }[] = [
  { title: "no limit needs no command", bandwidth: {}, want: [] },
  {
    title: "what a pod receives is queued at the host's end",
    bandwidth: { ingress: 10e6 },
    want: [ingress10M],
  },
  { title: "what a pod sends is led through a queue", bandwidth: { egress: 1e9 }, want: egress1G },
  {
    title: "both have their own rate",
    bandwidth: { ingress: 10e6, egress: 1e9 },
    want: [ingress10M, ...egress1G],
  },
  {
    title: "the highest rate is within what tc can count",
    bandwidth: { ingress: 1e15 },
    want: ["tc qdisc add dev veth1 root tbf rate 1000000000000000bit burst 2147483648 limit 3221225472"],
  },
  {
    title: "the lowest rate is whole bytes",
    bandwidth: { ingress: 1001 },
    want: ["tc qdisc add dev veth1 root tbf rate 1001bit burst 131072 limit 196608"],
  },
];
for (const { title, bandwidth, want } of cases) {
  test(title, () => {
    const commands = toShapingCommands("veth1", "queue1", bandwidth);
    assert.deepEqual(
      commands.map((words) => words.join(" ")),
      want,
    );
  });
}
