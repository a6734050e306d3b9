import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesFilter, toContainer, toContainerStatus } from "../../../src/containers/from-docker.js";
import type { ContainerState } from "../../../src/docker/engine.js";
import type { ContainerFilter } from "../../../src/generated/runtime/v1/ContainerFilter.js";
import type { ContainerStatus } from "../../../src/generated/runtime/v1/ContainerStatus.js";
import {
  containerFilter,
  containerId,
  containerInspect,
  fullId,
  imageId,
  imageInspect,
  neverTime,
  sandboxId,
} from "../../support/builders.js";

const created = "1714557600000000001";
const started = "1714557601000000002";
const finished = "1714557602000000003";
const finishedTime = "2024-05-01T10:00:02.000000003Z";

type Reported = Pick<
  ContainerStatus,
  "state" | "startedAt" | "finishedAt" | "exitCode" | "reason" | "message"
>;

const ended = { Running: false, Status: "exited", FinishedAt: finishedTime };
const unstarted = { Running: false, Status: "created", StartedAt: neverTime, FinishedAt: neverTime };

const outcomes: [string, Partial<ContainerState>, Required<Reported>][] = [
  [
    "runs",
    {},
    { state: "CONTAINER_RUNNING", startedAt: started, finishedAt: "0", exitCode: 0, reason: "", message: "" },
  ],
  [
    "is paused, which CRI has no word for,",
    { Paused: true, Status: "paused" },
    { state: "CONTAINER_RUNNING", startedAt: started, finishedAt: "0", exitCode: 0, reason: "", message: "" },
  ],
  [
    "runs again after it had ended",
    { ExitCode: 3, FinishedAt: "2024-05-01T09:00:00Z" },
    { state: "CONTAINER_RUNNING", startedAt: started, finishedAt: "0", exitCode: 0, reason: "", message: "" },
  ],
  [
    "ended well",
    ended,
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 0,
      reason: "Completed",
      message: "",
    },
  ],
  [
    "ended with an exit code",
    { ...ended, ExitCode: 3 },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 3,
      reason: "Error",
      message: "",
    },
  ],
  [
    "lasted a moment, and whose start Docker noted only after its end,",
    { ...ended, FinishedAt: "2024-05-01T10:00:01.000000001Z" },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: started,
      exitCode: 0,
      reason: "Completed",
      message: "",
    },
  ],
  [
    "was killed",
    { ...ended, ExitCode: 137 },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 137,
      reason: "Error",
      message: "",
    },
  ],
  [
    "was killed for its memory",
    { ...ended, ExitCode: 137, OOMKilled: true },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 137,
      reason: "OOMKilled",
      message: "",
    },
  ],
  [
    "ended well although a child of it was killed for its memory",
    { ...ended, OOMKilled: true },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 0,
      reason: "OOMKilled",
      message: "",
    },
  ],
  [
    "is dead, as Docker says of one that it could not remove,",
    { ...ended, Status: "dead", ExitCode: 1, Error: "device busy" },
    {
      state: "CONTAINER_EXITED",
      startedAt: started,
      finishedAt: finished,
      exitCode: 1,
      reason: "Error",
      message: "device busy",
    },
  ],
  [
    "was never started",
    unstarted,
    { state: "CONTAINER_CREATED", startedAt: "0", finishedAt: "0", exitCode: 0, reason: "", message: "" },
  ],
  [
    "was started and has no end that Docker knows of",
    { Running: false, Status: "exited", FinishedAt: neverTime },
    { state: "CONTAINER_UNKNOWN", startedAt: started, finishedAt: "0", exitCode: 0, reason: "", message: "" },
  ],
  [
    "could not start",
    { ...unstarted, ExitCode: 127, Error: 'exec: "nope": executable file not found' },
    {
      state: "CONTAINER_EXITED",
      startedAt: created,
      finishedAt: created,
      exitCode: 127,
      reason: "ContainerCannotRun",
      message: 'exec: "nope": executable file not found',
    },
  ],
  [
    "could not start, of which Docker kept the exit code only,",
    { ...unstarted, ExitCode: 128 },
    {
      state: "CONTAINER_EXITED",
      startedAt: created,
      finishedAt: created,
      exitCode: 128,
      reason: "ContainerCannotRun",
      message: "",
    },
  ],
];

for (const [title, State, expected] of outcomes) {
  test(`a container that ${title} is reported as ${expected.state} ${expected.reason}`.trimEnd(), () => {
    const container = containerInspect({ State });
    const { state, startedAt, finishedAt, exitCode, reason, message } = toContainerStatus(
      container,
      undefined,
    );
    assert.deepEqual({ state, startedAt, finishedAt, exitCode, reason, message }, expected);
    assert.equal(toContainer(container).state, expected.state);
  });
}

test("a container is listed with its pod, its image, its labels and its annotations", () => {
  const container = containerInspect({
    Name: "/k8s_app_web_default_u-1_2",
    Config: { Image: "busybox:1.36", Labels: { app: "web", "annotation.note": "x" } },
  });
  assert.deepEqual(toContainer(container), {
    id: containerId,
    podSandboxId: sandboxId,
    metadata: { name: "app", attempt: 2 },
    image: { image: "busybox:1.36" },
    imageRef: imageId,
    imageId,
    state: "CONTAINER_RUNNING",
    createdAt: created,
    labels: { app: "web" },
    annotations: { note: "x" },
  });
});

for (const [name, metadata] of [
  ["/k8s_app_web_default_u-1_2_deadbeef", { name: "app", attempt: 2 }],
  ["/somebody_renamed_it", { name: "somebody_renamed_it", attempt: 0 }],
] as const) {
  test(`a container named ${name} is reported as ${metadata.name}, attempt ${metadata.attempt}`, () => {
    assert.deepEqual(toContainer(containerInspect({ Name: name })).metadata, metadata);
  });
}

test("a status has the log path, the mounts, the limits and the stop signal", () => {
  const status = toContainerStatus(
    containerInspect({
      Config: { StopSignal: "SIGQUIT" },
      HostConfig: { Memory: 1024, MemorySwap: 1024, CpuShares: 2, OomScoreAdj: 999 },
      Mounts: [{ Type: "bind", Source: "/s", Destination: "/d", RW: true, Propagation: "rslave" }],
    }),
    undefined,
  );
  assert.equal(status.logPath, "/var/log/pods/web/app/0.log");
  assert.equal(status.stopSignal, "SIGNAL_SIGQUIT");
  assert.equal(status.resources?.linux?.memoryLimitInBytes, 1024);
  assert.equal(status.resources?.linux?.oomScoreAdj, 999);
  assert.deepEqual(status.mounts, [
    { containerPath: "/d", hostPath: "/s", readonly: false, propagation: "PROPAGATION_HOST_TO_CONTAINER" },
  ]);
});

for (const [title, user, groups, expected] of [
  [
    "numbers are told, the primary group among the groups",
    "33:44",
    ["10", "50000"],
    ["33", "44", "44 10 50000"],
  ],
  ["root is told", "0:0", [], ["0", "0", "0"]],
  ["a predecessor's user and group in numbers are the same", "33:44", null, ["33", "44", "44"]],
  ["a group that Docker names twice is told once", "33:44", ["44"], ["33", "44", "44"]],
  ["a user alone is not told, as its groups are in the image", "33", [], undefined],
  ["the image's user is not told", "", null, undefined],
  ["a name is not told", "web:44", [], undefined],
  ["a group's name is not told", "33:web", [], undefined],
  ["other groups' names are not told", "33:44", ["10", "audio"], undefined],
] as [string, string, string[] | null, string[] | undefined][]) {
  test(`as whom a container runs: ${title}`, () => {
    const container = containerInspect({ Config: { User: user }, HostConfig: { GroupAdd: groups } });
    const linux = toContainerStatus(container, undefined).user?.linux;
    const { uid, gid, supplementalGroups = [] } = linux ?? {};
    assert.deepEqual(linux && [uid, gid, supplementalGroups.join(" ")], expected);
  });
}

test("a predecessor's container without a log path has none, and stops with SIGTERM", () => {
  const container = containerInspect();
  container.Config.Labels = { "io.kubernetes.docker.type": "container" };
  const { logPath, stopSignal } = toContainerStatus(container, undefined);
  assert.deepEqual([logPath, stopSignal], ["", "SIGNAL_SIGTERM"]);
  assert.equal(toContainer(container).podSandboxId, "");
});

const digest = `busybox@sha256:${fullId("d1")}`;
for (const [title, image, expected] of [
  ["by its first tag", imageInspect({ RepoTags: ["busybox:1.36", "x:1"] }), "busybox:1.36"],
  ["by its digest when it has no tag", imageInspect({ RepoTags: [] }), digest],
  ["as it was asked for when it has no name", imageInspect({ RepoTags: null, RepoDigests: null }), imageId],
  ["as it was asked for when it is gone", undefined, imageId],
] as const) {
  test(`a status names the image ${title}, and refers to it by its id`, () => {
    const status = toContainerStatus(containerInspect(), image);
    assert.equal(status.image?.image, expected);
    assert.deepEqual([status.imageRef, status.imageId], [imageId, imageId]);
  });
}

const item = toContainer(containerInspect({ Config: { Labels: { app: "web", tier: "front" } } }));
for (const [title, filter, expected] of [
  ["nothing", {}, true],
  ["its id", { id: containerId }, true],
  ["the beginning of its id", { id: "c00" }, true],
  ["another id", { id: "c1" }, false],
  ["an inner part of its id", { id: "00" }, false],
  ["its sandbox", { podSandboxId: sandboxId }, true],
  ["the beginning of its sandbox's id", { podSandboxId: "5a0" }, true],
  ["another sandbox", { podSandboxId: "5b" }, false],
  ["an inner part of its sandbox's id", { podSandboxId: "a0" }, false],
  ["its state", { state: { state: "CONTAINER_RUNNING" } }, true],
  ["the state that an empty value means", { state: {} }, false],
  ["a label of it", { labelSelector: { tier: "front" } }, true],
  ["a label that it has not", { labelSelector: { tier: "back" } }, false],
  ["all of them, one wrong", { id: "c0", podSandboxId: "5a", labelSelector: { app: "db" } }, false],
] as [string, ContainerFilter, boolean][]) {
  test(`a container is ${expected ? "listed" : "left out"} by a filter for ${title}`, () => {
    assert.equal(matchesFilter(item, containerFilter(filter)), expected);
  });
}

test("no filter lists every container", () => assert.equal(matchesFilter(item, null), true));
