import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodNetwork } from "../../../src/network/pod-network.js";
import { PodNetworks } from "../../../src/network/pod-networks.js";
import { recordingLog, sandboxInspect } from "../../support/builders.js";
import { networkRequest } from "./cni/support.js";

/** Keeps what it is asked, and answers with its name. */
class FakeNetwork implements PodNetwork {
  fails: Error | undefined;

  constructor(
    private readonly name: string,
    private readonly calls: string[],
  ) {}

  status = () => this.#did("status", { ready: true, reason: "", message: this.name });
  changed = () => void this.calls.push(`${this.name} changed`);
  setPodCidrs = (cidrs: string[]) => this.#did(`setPodCidrs ${cidrs.join()}`, undefined);
  plan = () => this.#did("plan", { mode: this.name, ports: [] });
  setUp = ({ id }: { id: string }) => this.#did(`setUp ${id}`, undefined);
  restart = ({ Id }: { Id: string }) =>
    this.#did(`restart ${Id}`, ({ pid }: { pid: number }) => this.#did(`connect ${pid}`, undefined));
  tearDown = (id: string) => this.#did(`tearDown ${id}`, undefined);
  addresses = () => [this.name];
  check = () => this.#did("check", `${this.name} is broken`);
  keepOnly = (ids: ReadonlySet<string>) => this.#did(`keepOnly ${[...ids].join()}`, undefined);
  close = () => this.#did("close", undefined);

  async #did<T>(call: string, answer: T): Promise<T> {
    this.calls.push(`${this.name} ${call}`);
    await Promise.resolve();
    if (this.fails) throw this.fails;
    return answer;
  }
}

function setUp(chosen: "cni" | "bridge" = "cni") {
  const calls: string[] = [];
  const log = recordingLog();
  const networks = { cni: new FakeNetwork("cni", calls), bridge: new FakeNetwork("bridge", calls) };
  return { ...networks, calls, log, networks: new PodNetworks(networks, chosen, log) };
}

const sandboxOn = (NetworkMode: string) => sandboxInspect({ Id: "5a", HostConfig: { NetworkMode } });

for (const chosen of ["cni", "bridge"] as const) {
  test(`with --network-plugin=${chosen} new pods are ${chosen}'s, and so are readiness and ranges`, async () => {
    const { networks, calls } = setUp(chosen);
    assert.equal((await networks.status()).message, chosen);
    networks.changed();
    await networks.setPodCidrs(["10.1.0.0/24"]);
    assert.equal((await networks.plan(networkRequest())).mode, chosen);
    await networks.setUp({ id: "5a", pid: 7 }, networkRequest(), new AbortController().signal);
    const asked = ["status", "changed", "setPodCidrs 10.1.0.0/24", "plan", "setUp 5a"];
    assert.deepEqual(
      calls,
      asked.map((call) => `${chosen} ${call}`),
    );
  });

  for (const [mode, owner] of [
    ["none", "cni"],
    ["bridge", "bridge"],
    ["default", "bridge"],
    ["dockershim", "bridge"],
  ] as const) {
    test(`with --network-plugin=${chosen} a sandbox whose NetworkMode is ${mode} stays ${owner}'s`, async () => {
      const { networks, calls } = setUp(chosen);
      const sandbox = sandboxOn(mode);
      assert.deepEqual(networks.addresses(sandbox), [owner]);
      assert.equal(await networks.check(sandbox), `${owner} is broken`);
      await (
        await networks.restart(sandbox)
      )({ id: "5a", pid: 7 });
      assert.deepEqual(calls, [`${owner} check`, `${owner} restart 5a`, `${owner} connect 7`]);
    });
  }

  test(`with --network-plugin=${chosen} both are asked for what a sandbox or others have left`, async () => {
    const { networks, calls } = setUp(chosen);
    await networks.tearDown("5a");
    await networks.keepOnly(new Set(["5b", "5c"]));
    await networks.gone("5d");
    await networks.close();
    const asked = ["tearDown 5a", "keepOnly 5b,5c", "tearDown 5d", "close"];
    assert.deepEqual(
      calls,
      asked.flatMap((call) => [`cni ${call}`, `bridge ${call}`]),
    );
  });
}

test("a network that fails is told, and does not keep the other from being asked", async () => {
  const { networks, cni, calls } = setUp("bridge");
  cni.fails = new Error("no plugin");
  await assert.rejects(networks.tearDown("5a"), { message: "no plugin" });
  assert.deepEqual(calls, ["cni tearDown 5a", "bridge tearDown 5a"]);
});

test("of a sandbox that somebody else removed, a failure is logged with its id, and nobody is bothered", async () => {
  const { networks, cni, log } = setUp("bridge");
  cni.fails = new Error("no plugin");
  await networks.gone("5a");
  assert.deepEqual(log.entries, [
    {
      level: "warn",
      event: "the network of a sandbox that has gone could not be removed",
      fields: { sandboxId: "5a", error: cni.fails },
    },
  ]);
});
