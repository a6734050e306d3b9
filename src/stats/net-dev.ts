/** Traffic of a network namespace, from the text of a process's /proc/<pid>/net/dev (pure; proc_pid_net(5)). */

/** Counted since the interface exists, as the pod sees it. */
export interface InterfaceCounters {
  name: string;
  rxBytes: bigint;
  rxPackets: bigint;
  rxErrors: bigint;
  rxDropped: bigint;
  txBytes: bigint;
  txPackets: bigint;
  txErrors: bigint;
  txDropped: bigint;
}

/** All interfaces but the loopback, in the kernel's order. */
export const parseNetDev = (text: string): InterfaceCounters[] =>
  text.split("\n").flatMap((line) => {
    // Two lines of headings; a name can be anything without a colon, and numbers may follow it at once.
    const [, name = "", numbers = ""] = /^\s*([^\s:|]+):\s*([\d\s]+)$/.exec(line) ?? [];
    // Received: bytes packets errs drop fifo frame compressed multicast; sent: bytes packets errs drop and so on.
    const columns = numbers.trim().split(/\s+/);
    if (name === "" || name === "lo" || columns.length < 12) return [];
    const [rxBytes = 0n, rxPackets = 0n, rxErrors = 0n, rxDropped = 0n, ...rest] = columns.map(BigInt);
    const [txBytes = 0n, txPackets = 0n, txErrors = 0n, txDropped = 0n] = rest.slice(4);
    return [{ name, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped }];
  });
