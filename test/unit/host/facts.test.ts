import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, parseCapabilities, toHostFacts, type HostFacts } from "../../../src/host/facts.js";
import type { EngineInfo } from "../../../src/docker/engine.js";
import { CriError } from "../../../src/errors.js";
import { engineInfo, engineVersion, hostFacts, recordingLog } from "../../support/builders.js";

const everything = (1n << 41n) - 1n;
const free = { capabilities: everything, lastCapability: 40, oomScoreAdj: -500 };
const facts = (info: Partial<EngineInfo>) => toHostFacts(engineInfo(info), engineVersion(), free);

test("an unrestricted host with a plain engine is recognised", () => {
  assert.deepEqual(facts({}), hostFacts());
});

for (const [title, info, expected] of [
  ["the systemd cgroup driver", { CgroupDriver: "systemd" }, { cgroupDriver: "systemd" }],
  ["cgroups of version 1", { CgroupVersion: "1" }, { cgroupVersion: 1 }],
  ["SELinux", { SecurityOptions: ["name=selinux"] }, { apparmor: false, seccomp: false, selinux: true }],
  ["no security options", { SecurityOptions: [] }, { apparmor: false, seccomp: false }],
  ["security options left out", { SecurityOptions: null }, { apparmor: false, seccomp: false }],
  ["security options in the old form", { SecurityOptions: ["apparmor", "seccomp"] }, {}],
  [
    "several runtimes, sorted",
    { Runtimes: { runc: {}, kata: {}, "io.containerd.runc.v2": {} }, DefaultRuntime: "kata" },
    { runtimes: ["io.containerd.runc.v2", "kata", "runc"], defaultRuntime: "kata" },
  ],
  [
    "live restore and a data directory of its own",
    { LiveRestoreEnabled: true, DockerRootDir: "/data" },
    { engineId: "engine-1 /data", liveRestore: true, rootDirectory: "/data" },
  ],
] as [string, Partial<EngineInfo>, Partial<HostFacts>][]) {
  test(`an engine with ${title} is recognised`, () => assert.deepEqual(facts(info), hostFacts(expected)));
}

const features = (mountOptions: unknown) => ({
  status: { "org.opencontainers.runtime-spec.features": JSON.stringify({ mountOptions }) },
});
for (const [title, info, apiVersion, expected] of [
  ["and the runtimes that say so can", {}, "1.44", ["runc"]],
  ["none can before API 1.44", {}, "1.43", []],
  ["none can on an old kernel", { KernelVersion: "5.10.0-28-amd64" }, "1.44", []],
  ["the first kernel that can", { KernelVersion: "5.12.0" }, "1.44", ["runc"]],
  [
    "a runtime that says nothing understandable cannot",
    { Runtimes: { x: features("rro"), y: { status: {} } } },
    "1.44",
    [],
  ],
  [
    "a runtime whose features are no JSON cannot",
    { Runtimes: { x: { status: { "org.opencontainers.runtime-spec.features": "{" } } } },
    "1.44",
    [],
  ],
] as [string, Partial<EngineInfo>, string, string[]][]) {
  test(`recursive read-only by Docker: ${title}`, () => {
    const Runtimes = { old: features(["ro"]), runc: features(["ro", "rro"]), silent: {} };
    const found = toHostFacts(
      engineInfo({ Runtimes, ...info }),
      engineVersion({ ApiVersion: apiVersion }),
      free,
    );
    assert.deepEqual(found.recursiveReadOnlyRuntimes, expected);
  });
}

test("an engine that is too old to tell its cgroup version uses version 1", () => {
  const { CgroupVersion: _, ...info } = engineInfo();
  assert.equal(toHostFacts(info, engineVersion(), free).cgroupVersion, 1);
});

for (const [title, capabilities, own, expected] of [
  ["with CAP_SYS_RESOURCE every oom_score_adj is possible", everything, 0, -1000],
  ["without it nothing below the engine's own is", everything & ~(1n << 24n), 0, 0],
  ["without it a raised engine cannot go below its raise", 0n, 300, 300],
  ["without it an engine that was lowered can give that", 0n, -900, -900],
] as const) {
  test(title, () => {
    const found = toHostFacts(engineInfo(), engineVersion(), {
      capabilities,
      lastCapability: 40,
      oomScoreAdj: own,
    });
    assert.equal(found.minOomScoreAdj, expected);
  });
}

test("capabilities that the engine lacks are named", () => {
  const daemon = { ...free, capabilities: everything & ~(1n << 24n) };
  assert.deepEqual(
    toHostFacts(engineInfo(), engineVersion({ ApiVersion: "1.41" }), daemon).missingCapabilities,
    ["SYS_RESOURCE"],
  );
});

const status = (line: string): string =>
  `Name:\tdockerd\nCapInh:\t0000000000000001\n${line}CapBnd:\t00000000000000ff\n`;
for (const [title, text, expected] of [
  ["full", status("CapPrm:\t0\nCapEff:\t000001ffffffffff\n"), everything],
  ["none", status("CapEff:\t0000000000000000\n"), 0n],
  ["absent, as in a kernel without it", status(""), 0n],
  ["beyond 53 bits", status("CapEff:\tffffffffffffffff\n"), 0xffffffffffffffffn],
] as const) {
  test(`effective capabilities are read from a process's status: ${title}`, () => {
    assert.equal(parseCapabilities(text), expected);
  });
}

function host(info: () => Promise<EngineInfo>, daemon = free) {
  const log = recordingLog();
  const engine = { info, version: () => Promise.resolve(engineVersion()) };
  return { log, host: new Host(engine, log, () => Promise.resolve(daemon)) };
}

test("the engine is asked once, however many want to know", async () => {
  let asked = 0;
  const { host: made } = host(() => Promise.resolve(engineInfo({ ServerVersion: `${++asked}` })));
  const versions = await Promise.all([made.facts(), made.facts()]);
  assert.deepEqual(
    [...versions, await made.facts()].map(({ engineVersion: found }) => found),
    ["1", "1", "1"],
  );
});

test("after the engine was away it is asked again", async () => {
  let asked = 0;
  const { host: made } = host(() => Promise.resolve(engineInfo({ ServerVersion: `${++asked}` })));
  await made.facts();
  made.forget();
  assert.equal((await made.facts()).engineVersion, "2");
});

test("a question that failed is asked again", async () => {
  let asked = 0;
  const { host: made } = host(() =>
    asked++ === 0 ? Promise.reject(new CriError("unavailable", "no engine")) : Promise.resolve(engineInfo()),
  );
  await assert.rejects(made.facts(), { kind: "unavailable" });
  assert.equal((await made.facts()).engineVersion, "28.5.1");
});

test("while the engine is away, which is asked all the time, no process is looked for", async () => {
  const engine = {
    info: () => Promise.reject(new CriError("unavailable", "no engine")),
    version: () => Promise.resolve(engineVersion()),
  };
  let looks = 0;
  const made = new Host(engine, recordingLog(), () => Promise.resolve((looks++, free)));
  await assert.rejects(made.facts(), { kind: "unavailable" });
  assert.equal(looks, 0);
});

test("a restricted host is told to the operator once", async () => {
  const { host: made, log } = host(() => Promise.resolve(engineInfo()), {
    ...free,
    capabilities: 0n,
    oomScoreAdj: 5,
  });
  await made.facts();
  await made.facts();
  const warnings = log.entries.filter(({ level }) => level === "warn");
  assert.deepEqual(
    warnings.map(({ fields }) => fields),
    [{ minOomScoreAdj: 5 }],
  );
});

test("an unrestricted host gives no warning", async () => {
  const { host: made, log } = host(() => Promise.resolve(engineInfo()));
  await made.facts();
  assert.deepEqual(
    log.entries.map(({ level }) => level),
    ["info"],
  );
});
