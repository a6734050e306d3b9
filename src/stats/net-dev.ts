/** Traffic of a network namespace, from the text of a process's /proc/<pid>/net/dev (pure; proc_pid_net(5)). */

/** Counted since the interface exists, as the pod sees it. */
export interface InterfaceCounters {
  name: string;
  rxBytes: bigint;
  rxErrors: bigint;
  txBytes: bigint;
  txErrors: bigint;
}

/** All interfaces but the loopback, in the kernel's order. */
export const parseNetDev = (text: string): InterfaceCounters[] =>
  text.split("\n").flatMap((line) => {
    // Two lines of headings; a name can be anything without a colon, and numbers may follow it at once.
    const [, name = "", numbers = ""] = /^\s*([^\s:|]+):\s*([\d\s]+)$/.exec(line) ?? [];
    // Received: bytes packets errs drop fifo frame compressed multicast; sent: bytes packets errs and so on.
    const [rxBytes, , rxErrors, , , , , , txBytes, , txErrors] = numbers.trim().split(/\s+/);
    if (name === "" || name === "lo" || txErrors === undefined) return [];
    return [
      {
        name,
        rxBytes: BigInt(rxBytes ?? 0),
        rxErrors: BigInt(rxErrors ?? 0),
        txBytes: BigInt(txBytes ?? 0),
        txErrors: BigInt(txErrors),
      },
    ];
  });
