import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetDev } from "../../../src/stats/net-dev.js";

const heading = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const received = { rxBytes: 1000n, rxPackets: 10n, rxErrors: 2n, rxDropped: 5n };
const sent = { txBytes: 3000n, txPackets: 30n, txErrors: 4n, txDropped: 6n };
const eth0 = { name: "eth0", ...received, ...sent };
const eth0Line =
  "  eth0:    1000      10    2    5    0     0          0         0     3000      30    4    6    0     0       0          0\n";

const cases = [
  { title: "counters are told by interface", text: heading + eth0Line, want: [eth0] },
  {
    title: "the loopback is left out",
    text: `${heading}    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0\n${eth0Line}`,
    want: [eth0],
  },
  {
    title: "numbers that fill their column, and exceed what a double holds",
    text: `${heading}net1.5:18446744073709551615 1 0 0 0 0 0 0 9007199254740993 1 0 0 0 0 0 0\n`,
    want: [
      {
        name: "net1.5",
        ...{ rxBytes: 18446744073709551615n, rxPackets: 1n, rxErrors: 0n, rxDropped: 0n },
        ...{ txBytes: 9007199254740993n, txPackets: 1n, txErrors: 0n, txDropped: 0n },
      },
    ],
  },
  { title: "no interfaces", text: heading, want: [] },
  { title: "no text", text: "", want: [] },
  { title: "a line that was cut off", text: `${heading}  eth0: 1000 10 2\n`, want: [] },
];
for (const { title, text, want } of cases) test(title, () => assert.deepEqual(parseNetDev(text), want));
