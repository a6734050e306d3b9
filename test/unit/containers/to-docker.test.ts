import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerCreateOptions, HostConfig } from "dockerode";
import { parseContainerConfig } from "../../../src/containers/spec.js";
import { toContainerOptions } from "../../../src/containers/to-docker.js";
import type { ContainerConfig } from "../../../src/generated/runtime/v1/ContainerConfig.js";
import type { LinuxContainerSecurityContext } from "../../../src/generated/runtime/v1/LinuxContainerSecurityContext.js";
import type { HostFacts } from "../../../src/host/facts.js";
import type { Identity } from "../../../src/linux/identity.js";
import { fromLabels } from "../../../src/kube/labels.js";
import { refuses } from "../../support/assertions.js";
import {
  containerConfig,
  hostFacts,
  imageFacts,
  imageId,
  podSandboxConfig,
  sandboxId,
  sandboxInspect,
} from "../../support/builders.js";

const pod = podSandboxConfig({ logDirectory: "/var/log/pods/web" });
interface Place {
  sandbox?: Parameters<typeof sandboxInspect>[0];
  host?: Partial<HostFacts>;
  seccomp?: string;
  identity?: Identity;
  imageLabels?: Record<string, string>;
}

const root: Identity = { uid: 0, gid: 0, groups: [] };

const make = (
  config: ContainerConfig,
  { sandbox = {}, host = {}, seccomp, identity = root, imageLabels = {} }: Place = {},
): ContainerCreateOptions =>
  toContainerOptions(
    parseContainerConfig(containerConfig(config), pod),
    sandboxInspect(sandbox),
    imageFacts({ labels: imageLabels }),
    hostFacts(host),
    {
      identity,
      seccomp,
      logDriver: { Type: "json-file", Config: {} },
      mounts: { folder: "/mounts/ab", imageIds: new Map() },
    },
  );
const hostConfig = (config: ContainerConfig, place?: Place): HostConfig =>
  make(config, place).HostConfig ?? {};
const secured = (securityContext: LinuxContainerSecurityContext, place?: Place): HostConfig =>
  hostConfig({ linux: { securityContext } }, place);

test("a plain container joins its sandbox and leaves the rest to its image", () => {
  assert.deepEqual(make({ logPath: "app/0.log" }), {
    name: "k8s_app_web_default_u-1_0",
    Image: imageId,
    User: "0:0",
    Env: [],
    Labels: {
      "io.kubernetes.docker.type": "container",
      "io.kubernetes.sandbox.id": sandboxId,
      "io.kubernetes.container.logpath": "/var/log/pods/web/app/0.log",
    },
    OpenStdin: false,
    StdinOnce: false,
    Tty: false,
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      NetworkMode: `container:${sandboxId}`,
      IpcMode: `container:${sandboxId}`,
      PidMode: `container:${sandboxId}`,
      CapAdd: [],
      CapDrop: [],
      GroupAdd: [],
      ReadonlyRootfs: false,
      SecurityOpt: ["seccomp=unconfined"],
      MaskedPaths: [],
      ReadonlyPaths: [],
      Mounts: [],
      Binds: [],
      Runtime: "runc",
      CgroupParent: "",
      Devices: [],
      LogConfig: { Type: "json-file", Config: {} },
    },
  });
});

for (const [title, config, expected] of [
  ["neither keeps the image's entrypoint and arguments", {}, {}],
  ["a command replaces the entrypoint", { command: ["/bin/sh", "-c"] }, { Entrypoint: ["/bin/sh", "-c"] }],
  ["arguments replace the image's arguments only", { args: ["serve"] }, { Cmd: ["serve"] }],
  [
    "both replace both",
    { command: ["/bin/sh", "-c"], args: ["echo hi", ""] },
    { Entrypoint: ["/bin/sh", "-c"], Cmd: ["echo hi", ""] },
  ],
] as [string, ContainerConfig, object][]) {
  test(`command and args: ${title}`, () => {
    const { Entrypoint, Cmd } = make(config);
    assert.deepEqual({ ...(Entrypoint ? { Entrypoint } : {}), ...(Cmd ? { Cmd } : {}) }, expected);
  });
}

test("what a container does not say is not said to Docker either", () => {
  const made = make({});
  for (const name of ["Entrypoint", "Cmd", "WorkingDir", "StopSignal"])
    assert.equal(name in made, false, name);
});

test("working directory, stop signal, streams and environment are handed on", () => {
  const made = make({
    workingDir: "/srv",
    stopSignal: "SIGNAL_SIGQUIT",
    stdin: true,
    stdinOnce: true,
    tty: true,
    envs: [{ key: "A", value: Buffer.from("1") }],
  });
  assert.equal(made.WorkingDir, "/srv");
  assert.equal(made.StopSignal, "SIGQUIT");
  assert.deepEqual([made.OpenStdin, made.StdinOnce, made.Tty], [true, true, true]);
  assert.deepEqual(made.Env, ["A=1"]);
});

test("a container's name says its own attempt, not its sandbox's", () => {
  const { name } = make(
    { metadata: { name: "app", attempt: 4 } },
    { sandbox: { Name: "/k8s_POD_web_default_u-1_2" } },
  );
  assert.equal(name, "k8s_app_web_default_u-1_4");
});

test("a container of a sandbox whose name has a seventh part is named after the pod all the same", () => {
  const { name } = make({}, { sandbox: { Name: "/k8s_POD_web_default_u-1_2_deadbeef" } });
  assert.equal(name, "k8s_app_web_default_u-1_0");
});

for (const [title, namespaceOptions, expected] of [
  ["POD shares the sandbox's", { pid: "POD" }, `container:${sandboxId}`],
  ["CONTAINER is its own", { pid: "CONTAINER" }, ""],
  ["NODE is the node's", { pid: "NODE" }, "host"],
  ["TARGET is that container's", { pid: "TARGET", targetId: "abc" }, "container:abc"],
] as const) {
  test(`the process namespace ${title}`, () => assert.equal(secured({ namespaceOptions }).PidMode, expected));
}

test("in a pod on the node's network a container has the node's name, whatever it asks for", () => {
  const place = { sandbox: { HostConfig: { NetworkMode: "host" } } };
  assert.equal(hostConfig({}, place).UTSMode, "host");
  assert.equal(hostConfig({}, place).NetworkMode, `container:${sandboxId}`);
  assert.equal("UTSMode" in secured({ namespaceOptions: { network: "NODE" } }), false);
});

for (const [runtime, expected] of [
  ["kata", { Runtime: "kata" }],
  ["", {}],
] as const) {
  test(`a container runs in its sandbox's runtime: ${runtime || "none named"}`, () => {
    const { Runtime } = hostConfig({}, { sandbox: { HostConfig: { Runtime: runtime } } });
    assert.deepEqual(Runtime === undefined ? {} : { Runtime }, expected);
  });
}

test("a container counts to its sandbox's cgroup parent, already in Docker's form", () => {
  const place = {
    sandbox: { HostConfig: { CgroupParent: "kubepods-podu_1.slice" } },
    host: { cgroupDriver: "systemd" as const },
  };
  assert.equal(hostConfig({}, place).CgroupParent, "kubepods-podu_1.slice");
});

test("a device has its own path and full rights unless it says otherwise", () => {
  const devices = [
    { hostPath: "/dev/fuse" },
    { hostPath: "/dev/sda", containerPath: "/dev/disk", permissions: "r" },
  ];
  assert.deepEqual(hostConfig({ devices }).Devices, [
    { PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" },
    { PathOnHost: "/dev/sda", PathInContainer: "/dev/disk", CgroupPermissions: "r" },
  ]);
});

const everyProfile: LinuxContainerSecurityContext = {
  noNewPrivs: true,
  seccomp: { profileType: "Localhost", localhostRef: "/p.json" },
  apparmor: { profileType: "Localhost", localhostRef: "k8s-web" },
  selinuxOptions: { level: "s0" },
  maskedPaths: ["/proc/kcore"],
  readonlyPaths: ["/proc/sys"],
};

test("profiles, masked and read-only paths hold for an ordinary container", () => {
  const made = secured(everyProfile, { seccomp: '{"a":1}' });
  assert.deepEqual(made.SecurityOpt, [
    "no-new-privileges",
    'seccomp={"a":1}',
    "apparmor=k8s-web",
    "label=level:s0",
  ]);
  assert.deepEqual([made.MaskedPaths, made.ReadonlyPaths], [["/proc/kcore"], ["/proc/sys"]]);
});

test("a privileged container has no profiles and nothing masked", () => {
  const made = secured({ ...everyProfile, privileged: true }, { seccomp: '{"a":1}' });
  assert.equal(made.Privileged, true);
  assert.deepEqual(made.SecurityOpt, ["no-new-privileges", "label=level:s0"]);
  assert.equal("MaskedPaths" in made, false);
  assert.equal("ReadonlyPaths" in made, false);
});

test("the runtime's default seccomp profile is left to Docker", () => {
  assert.deepEqual(secured({ seccomp: { profileType: "RuntimeDefault" } }).SecurityOpt, []);
});

test("a profile that the host cannot apply is refused", () => {
  assert.throws(() => secured(everyProfile, { host: { apparmor: false } }), { kind: "invalid" });
});

for (const context of [{}, { privileged: true }]) {
  test(`user and groups are given in numbers, with ${JSON.stringify(context)} too`, () => {
    const identity = { uid: 33, gid: 34, groups: [10, 50000] };
    const { User, HostConfig } = make({ linux: { securityContext: context } }, { identity });
    assert.deepEqual([User, HostConfig?.GroupAdd], ["33:34", ["10", "50000"]]);
  });
}

test("capabilities and the read-only root are handed on", () => {
  const made = secured({
    capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["MKNOD"] },
    readonlyRootfs: true,
  });
  assert.deepEqual([made.CapAdd, made.CapDrop], [["NET_ADMIN"], ["MKNOD"]]);
  assert.equal(made.ReadonlyRootfs, true);
});

const restricted = { host: { missingCapabilities: ["SYS_RESOURCE"] } };

test("all capabilities are those that a restricted host has", () => {
  const all = { capabilities: { addCapabilities: ["ALL"] } };
  assert.deepEqual([secured(all).CapAdd, secured(all).CapDrop], [["ALL"], []]);
  const made = secured(all, restricted);
  assert.deepEqual([made.CapAdd, made.CapDrop], [["ALL"], ["SYS_RESOURCE"]]);
});

test("on a restricted host a privileged container gets the parts of Docker's privileged mode", () => {
  const made = secured({ ...everyProfile, privileged: true }, restricted);
  assert.equal(made.Privileged, undefined);
  assert.deepEqual([made.CapAdd, made.CapDrop], [["ALL"], ["SYS_RESOURCE"]]);
  assert.deepEqual(made.DeviceCgroupRules, ["a *:* rwm"]);
  assert.deepEqual([made.MaskedPaths, made.ReadonlyPaths], [[], []]);
  const profiles = ["seccomp=unconfined", "apparmor=unconfined"];
  assert.deepEqual((made.SecurityOpt as string[]).slice(0, 4), [
    "no-new-privileges",
    "label=level:s0",
    ...profiles,
  ]);
});

test("a container does not report its image's labels as its own", () => {
  const imageLabels = { maintainer: "somebody", app: "the image's" };
  const { Labels } = make({ labels: { app: "web" } }, { imageLabels });
  // Docker adds the image's labels to those that it is given.
  assert.deepEqual(fromLabels({ ...imageLabels, ...Labels }), { labels: { app: "web" }, annotations: {} });
});

test("a relabelled mount becomes a bind where SELinux is on", () => {
  const mounts = [{ containerPath: "/d", hostPath: "/s", selinuxRelabel: true }];
  const { Binds, Mounts } = hostConfig({ mounts }, { host: { selinux: true } });
  assert.deepEqual([Binds, Mounts], [["/s:/d:rw,rprivate,Z"], []]);
  assert.equal(hostConfig({ mounts }).Mounts?.length, 1);
});

test("limits reach Docker, the oom score within what the host allows", () => {
  const resources = { memoryLimitInBytes: 1024, oomScoreAdj: -997 };
  const made = hostConfig({ linux: { resources } }, { host: { minOomScoreAdj: 0 } });
  assert.deepEqual([made.Memory, made.MemorySwap, made.OomScoreAdj], [1024, 1024, 0]);
});

test("CDI devices are asked of an engine that has them, and refused by one that has not", () => {
  const config = { CDIDevices: [{ name: "vendor.com/gpu=0" }, { name: "vendor.com/gpu=all" }] };
  assert.deepEqual(hostConfig(config, { host: { apiVersion: "1.44" } }).DeviceRequests, [
    { Driver: "cdi", DeviceIDs: ["vendor.com/gpu=0", "vendor.com/gpu=all"] },
  ]);
  refuses(
    () => hostConfig(config, { host: { apiVersion: "1.43", engineVersion: "24.0.9" } }),
    "unimplemented",
    "config.CDI_devices need Docker Engine 25 or newer",
  );
});
