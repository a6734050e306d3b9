/**
 * What we tell beside what Docker tells, after what anybody does: through our door, through Docker's, while the event
 * stream breaks, and by chance.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ContainerInspectInfo } from "dockerode";
import { Door } from "../support/door.js";
import { eventually } from "../support/eventually.js";
import { chance } from "../support/random.js";
import { docker, startNode, type RealNode, type Reply } from "../support/real-node.js";

const door = new Door();
await door.open();
const node = await startNode({ dockerSocketPath: door.path });
after(async () => {
  await node.close();
  await door.shut();
});

const labelOf = ({ Config }: ContainerInspectInfo, key: string) =>
  Config.Labels[`io.kubernetes.${key}`] ?? "";

/** What Docker has of our containers, by id, in the words that we use for it. */
async function inDocker(): Promise<Record<string, string>> {
  const filters = { label: ["io.kubernetes.docker.type"] };
  const listed = await docker().listContainers({ all: true, filters });
  const looks = await Promise.all(
    listed.map(({ Id }) =>
      docker()
        .getContainer(Id)
        .inspect()
        .catch(() => undefined),
    ),
  );
  return Object.fromEntries(
    looks.flatMap((found) => {
      if (!found) return [];
      const { Running, StartedAt, ExitCode } = found.State;
      const isSandbox = labelOf(found, "docker.type") === "podsandbox";
      const state = Running ? "running" : StartedAt.startsWith("0001-") ? "created" : `exited ${ExitCode}`;
      return [[found.Id, isSandbox ? (Running ? "ready" : "not ready") : state]];
    }),
  );
}

/** The same as we tell it, by lists and by statuses, which must agree. */
async function inOurs({ runtime }: RealNode): Promise<Record<string, string>> {
  const [{ items }, { containers }] = await Promise.all([
    runtime("ListPodSandbox", {}),
    runtime("ListContainers", {}),
  ]);
  const sandboxes = (items as Reply[]).map(({ id, state }): [string, string] => [
    id,
    state === "SANDBOX_READY" ? "ready" : "not ready",
  ]);
  const rest = await Promise.all(
    (containers as Reply[]).map(async ({ id, state }): Promise<[string, string][]> => {
      const status = await runtime("ContainerStatus", { container_id: id }).then(
        (reply: Reply) => reply.status,
        () => undefined,
      );
      if (!status) return [];
      assert.equal(status.state, state);
      const told: Record<string, string> = {
        CONTAINER_RUNNING: "running",
        CONTAINER_CREATED: "created",
        CONTAINER_EXITED: `exited ${status.exit_code}`,
      };
      return [[id, told[state] ?? state]];
    }),
  );
  return Object.fromEntries([...sandboxes, ...rest.flat()]);
}

/** Everything that has been done is seen when it has been done; nobody does anything now. */
async function assertSame(when: string): Promise<void> {
  const wanted = await inDocker();
  await eventually(`both tell the same ${when}`, async () => {
    const ours = await inOurs(node);
    return JSON.stringify(Object.entries(ours).sort()) === JSON.stringify(Object.entries(wanted).sort());
  });
}

test("what another client of Docker does to a container is told", async () => {
  const { container } = await node.start({
    command: ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done"],
  });
  const outside = docker().getContainer(container);
  const seen = async (what: string, is: (status: Reply) => boolean) =>
    await eventually(what, async () => is(await node.status(container)));
  await outside.pause();
  await seen("it is paused", ({ state }) => state === "CONTAINER_RUNNING");
  await outside.unpause();
  await outside.stop();
  await seen("it has stopped", ({ state, exit_code }) => state === "CONTAINER_EXITED" && exit_code === 3);
  await outside.start();
  await seen("it runs", ({ state }) => state === "CONTAINER_RUNNING");
  await outside.update({ Memory: 64 << 20, MemorySwap: 64 << 20 });
  await seen("its limit", ({ resources }) => resources.linux.memory_limit_in_bytes === String(64 << 20));
  await outside.kill();
  await seen("it was killed", ({ exit_code }) => exit_code === 137);
  await outside.remove();
  await eventually("it is gone", async () => {
    const { containers } = await node.runtime("ListContainers", { filter: { id: container } });
    return containers.length === 0;
  });
});

test("what our own client does is in the next answer", async () => {
  const { pod, config } = await node.start();
  for (let round = 0; round < 10; round++) {
    const container = await node.create(pod, config, {});
    const stateNow = async () => {
      const { containers } = await node.runtime("ListContainers", { filter: { id: container } });
      return containers[0]?.state;
    };
    assert.equal(await stateNow(), "CONTAINER_CREATED");
    await node.runtime("StartContainer", { container_id: container });
    assert.equal(await stateNow(), "CONTAINER_RUNNING");
    await node.runtime("StopContainer", { container_id: container, timeout: "0" });
    assert.equal(await stateNow(), "CONTAINER_EXITED");
    await node.runtime("RemoveContainer", { container_id: container });
    assert.equal(await stateNow(), undefined);
  }
});

/** Everything that can be done to a container, through both doors; what cannot be done to it now may fail. */
const deeds: { weight: number; act: (id: string) => Promise<unknown> }[] = [
  { weight: 3, act: (id) => node.runtime("StartContainer", { container_id: id }) },
  { weight: 2, act: (id) => node.runtime("StopContainer", { container_id: id, timeout: "0" }) },
  { weight: 1, act: (id) => node.runtime("RemoveContainer", { container_id: id }) },
  { weight: 4, act: (id) => node.runtime("PauseContainer", { container_id: id }) },
  { weight: 4, act: (id) => node.runtime("UnpauseContainer", { container_id: id }) },
  {
    weight: 3,
    act: (id) => node.runtime("UpdateContainerResources", { container_id: id, linux: { cpu_shares: "512" } }),
  },
  { weight: 3, act: (id) => docker().getContainer(id).start() },
  { weight: 2, act: (id) => docker().getContainer(id).kill() },
  { weight: 1, act: (id) => docker().getContainer(id).remove({ force: true }) },
  { weight: 4, act: (id) => docker().getContainer(id).pause() },
  { weight: 4, act: (id) => docker().getContainer(id).unpause() },
  { weight: 3, act: (id) => docker().getContainer(id).update({ CpuShares: 256 }) },
];
const total = deeds.reduce((sum, { weight }) => sum + weight, 0);

test(
  "after thousands of deeds by chance through both doors, both tell the same",
  { timeout: 500_000 },
  async () => {
    const random = chance(20261124);
    const config = node.podConfig();
    const pod = await node.runPod(config);
    const alive: string[] = [];
    let done = 0;
    let refused = 0;
    const deed = async (): Promise<void> => {
      if (alive.length < 8) {
        alive.push(await node.create(pod, config, {}));
        return;
      }
      const index = random(alive.length);
      const id = alive[index] ?? "";
      let at = random(total);
      const chosen = deeds.find(({ weight }) => (at -= weight) < 0);
      const succeeded = await chosen?.act(id).then(
        () => true,
        () => false,
      );
      if (!succeeded) refused++;
      const there = await docker()
        .getContainer(id)
        .inspect()
        .then(
          () => true,
          () => false,
        );
      if (!there && alive.includes(id)) alive.splice(alive.indexOf(id), 1);
    };
    const rounds = 20;
    const deedsInRound = 100;
    for (let round = 0; round < rounds; round++) {
      let left = deedsInRound;
      const worker = async () => {
        while (left-- > 0) {
          await deed();
          done++;
        }
      };
      await Promise.all([worker(), worker(), worker()]);
      if (round % 4 === 3) {
        // The stream breaks in the middle of it, and Docker is away for a moment.
        const working = Promise.allSettled([worker(), worker()]);
        await door.shut();
        await docker()
          .getContainer(alive[0] ?? "")
          .kill()
          .catch(() => undefined);
        await door.open();
        await working;
      }
      await assertSame(`after ${done} deeds`);
    }
    assert.ok(done >= 2000, `${done} deeds`);
    assert.ok(refused < done, "some deeds succeeded");
  },
);
