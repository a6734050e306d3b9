/** A pod's bandwidth as commands of iproute2 (pure). */
import { burstOf, type Bandwidth } from "../bandwidth.js";

export type Command = [program: string, ...args: string[]];

const inBytes = (bits: number): number => Math.ceil(bits / 8);

/**
 * A bucket of tokens, with a queue half as large again as the bucket: TCP starts with one burst at full speed, and
 * when most of the next one is thrown away it takes seconds to recover.
 */
const toBucket = (rate: number): string[] => [
  ...["tbf", "rate", `${rate}bit`],
  ...["burst", `${inBytes(burstOf(rate))}`],
  ...["limit", `${inBytes(burstOf(rate) * 1.5)}`],
];

/**
 * What the pod receives is queued where the host sends it. What the pod sends is led through an interface that exists
 * for that alone (ifb), since only sending can be queued. Nothing of it is in the pod, whose processes may be allowed
 * to change all that is.
 * @param hostEnd the host's end of the pod's pair of interfaces
 * @param queue name of the interface that what the pod sends is led through
 */
export const toShapingCommands = (
  hostEnd: string,
  queue: string,
  { ingress, egress }: Bandwidth,
): Command[] => [
  ...(ingress === undefined
    ? []
    : [["tc", "qdisc", "add", "dev", hostEnd, "root", ...toBucket(ingress)] satisfies Command]),
  ...(egress === undefined
    ? []
    : ([
        ["ip", "link", "add", "name", queue, "up", "type", "ifb"],
        ["tc", "qdisc", "add", "dev", queue, "root", ...toBucket(egress)],
        ["tc", "qdisc", "add", "dev", hostEnd, "ingress"],
        ["tc", "filter", "add", "dev", hostEnd, "parent", "ffff:", ...toRedirect(queue)],
      ] satisfies Command[])),
];

/** Of every packet, whatever its protocol. */
const toRedirect = (queue: string): string[] => [
  ...["protocol", "all", "prio", "1", "u32", "match", "u32", "0", "0"],
  ...["action", "mirred", "egress", "redirect", "dev", queue],
];
