/** Two hundred pods, four at a time, while the server is killed again and again: of their networks nothing stays. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Config } from "../../src/config.js";
import { fullConf } from "./cni-confs.js";
import { makeCniPlace } from "./cni-place.js";
import { eventually } from "./eventually.js";
import { changes } from "./network-state.js";
import { startNode, type Reply } from "./real-node.js";
import { spawnServer, type ServerProcess } from "./server-process.js";

const pods = 200;
const atATime = 4;
const killAfter = 20;

export const leakTitle = `${pods} pods, a SIGKILL every ${killAfter}: all is as it was before`;

export async function assertNoLeaks(t: TestContext, networkPlugin: "cni" | "bridge"): Promise<void> {
  const place = await makeCniPlace();
  t.after(() => place.remove());
  const subnets = ["10.95.0.0/24", "fd95::/64"];
  await place.use(fullConf({ name: "pods", bridge: "cni-leaks", subnets, leases: place.leases }));

  let server!: ServerProcess;
  let config!: Config;
  const node = await startNode({ networkPlugin, cni: place.cni }, "v1", async (given) => {
    config = given;
    server = await spawnServer(given, { built: true });
    return { close: () => server.close() };
  });
  t.after(() => node.close());

  let port = 22000;
  const podConfig = (): Reply =>
    node.podConfig({
      port_mappings: [{ protocol: "TCP", container_port: 7, host_port: ++port }],
      annotations: { "kubernetes.io/ingress-bandwidth": "100M", "kubernetes.io/egress-bandwidth": "100M" },
    });
  // The first pod makes what stays: a bridge, Docker's network, the plugins' own chains.
  await node.removePod(await node.runPod(podConfig()));
  const before = await place.state();

  let begun = 0;
  let done = 0;
  let kills = 0;
  let up = Promise.resolve();
  const broken: string[] = [];
  const killAndStart = async (): Promise<void> => {
    kills++;
    await server.kill();
    server = await spawnServer(config, { built: true });
  };
  /** As a kubelet: what an error left unknown is left to the list. */
  const work = async (): Promise<void> => {
    while (begun < pods) {
      begun++;
      await up;
      try {
        await node.removePod(await node.runPod(podConfig()));
      } catch (error) {
        broken.push(String(error));
      }
      if (++done % killAfter === 0) up = up.then(killAndStart);
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  await up;
  assert.equal(kills, pods / killAfter);
  // Only what was under way at a kill may have failed.
  assert.ok(broken.length <= kills * (atATime - 1), broken.join("\n"));
  for (const error of broken) assert.match(error, /UNAVAILABLE|CANCELLED/);

  await node.removeAllPods();
  await eventually("all is as before", async () => changes(before, await place.state()).length === 0).catch(
    async () => assert.deepEqual(changes(before, await place.state()), []),
  );
  t.diagnostic(`${broken.length} pods were broken off by ${kills} kills`);
}
