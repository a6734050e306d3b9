import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerConfig } from "../../../src/generated/runtime/v1/ContainerConfig.js";
import type { LinuxContainerSecurityContext } from "../../../src/generated/runtime/v1/LinuxContainerSecurityContext.js";
import { parseContainerConfig } from "../../../src/containers/spec.js";
import { refuses } from "../../support/assertions.js";
import { containerConfig, fullId, imageId, podSandboxConfig } from "../../support/builders.js";

const pod = podSandboxConfig({ logDirectory: "/var/log/pods/web" });
const parse = (config: ContainerConfig) => parseContainerConfig(containerConfig(config), pod);
const secured = (securityContext: LinuxContainerSecurityContext): ContainerConfig => ({
  linux: { securityContext },
});

test("a container that asks for a name and an image only gets the image's own everything", () => {
  assert.deepEqual(parse({}), {
    metadata: { name: "app", attempt: 0 },
    image: imageId,
    command: [],
    args: [],
    workingDir: "",
    env: [],
    mounts: [],
    devices: [],
    cdiDevices: [],
    labels: {},
    annotations: {},
    logPath: "",
    stdin: false,
    stdinOnce: false,
    tty: false,
    stopSignal: undefined,
    resources: undefined,
    security: {
      privileged: false,
      namespaces: { network: "POD", pid: "POD", ipc: "POD", target: "" },
      identity: { user: "", group: undefined, supplementalGroups: [], policy: "Merge" },
      addCapabilities: [],
      dropCapabilities: [],
      readonlyRootfs: false,
      noNewPrivileges: false,
      maskedPaths: [],
      readonlyPaths: [],
      seccomp: undefined,
      apparmor: undefined,
      selinux: [],
    },
  });
});

test("an empty security context means what none means", () => {
  assert.deepEqual(parse(secured({})).security, parse({}).security);
});

test("everything of a security context is understood", () => {
  const { security } = parse(
    secured({
      privileged: true,
      namespaceOptions: { pid: "TARGET", targetId: "abc" },
      runAsUser: { value: 0 },
      runAsGroup: { value: 33 },
      supplementalGroups: [1, 2],
      supplementalGroupsPolicy: "Strict",
      capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
      readonlyRootfs: true,
      noNewPrivs: true,
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      seccomp: { profileType: "Localhost", localhostRef: "/p.json" },
      apparmorProfile: "localhost/k8s-web",
      selinuxOptions: { type: "spc_t" },
    }),
  );
  assert.deepEqual(security, {
    privileged: true,
    namespaces: { network: "POD", pid: "TARGET", ipc: "POD", target: "abc" },
    identity: { user: "0", group: 33, supplementalGroups: [1, 2], policy: "Strict" },
    addCapabilities: ["NET_ADMIN"],
    dropCapabilities: ["ALL"],
    readonlyRootfs: true,
    noNewPrivileges: true,
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
    seccomp: { type: "localhost", ref: "/p.json" },
    apparmor: { type: "localhost", ref: "k8s-web" },
    selinux: ["label=type:spc_t"],
  });
});

for (const [written, asked] of [
  [imageId, imageId],
  ["busybox:1.36", "busybox:1.36"],
  [`busybox:1.36@sha256:${fullId("d1")}`, `busybox@sha256:${fullId("d1")}`],
  [`docker-pullable://busybox@sha256:${fullId("d1")}`, `busybox@sha256:${fullId("d1")}`],
] as const) {
  test(`the image ${written.slice(0, 30)}… is asked of Docker in its own form`, () => {
    assert.equal(parse({ image: { image: written } }).image, asked);
  });
}

test("environment variables keep their order, their equal signs and every character", () => {
  const envs = [
    { key: "A", value: Buffer.from("1") },
    { key: "EMPTY", value: Buffer.from("") },
    { key: "B", value: Buffer.from("x=y z\n") },
    { key: "A", value: Buffer.from("größe 漢") },
  ];
  assert.deepEqual(parse({ envs }).env, ["A=1", "EMPTY=", "B=x=y z\n", "A=größe 漢"]);
});

test("an image is what its reference says; its other fields, which are for others, change nothing", () => {
  const image = { image: "busybox" };
  const more = { annotations: { a: "b" }, userSpecifiedImage: "x:1", runtimeHandler: "kata", imageRef: "y" };
  assert.deepEqual(parse({ image: { ...image, ...more } }), parse({ image }));
});

test("limits are taken as they are", () => {
  const { resources } = parse({ linux: { resources: { memoryLimitInBytes: "9007199254740993" } } });
  assert.equal(resources?.memoryLimitInBytes, "9007199254740993");
});

test("a stop signal is Docker's name for it", () => {
  assert.equal(parse({ stopSignal: "SIGNAL_SIGRTMINPLUS3" }).stopSignal, "SIGRTMIN+3");
});

for (const [title, config, sandbox, start] of [
  ["no config", null, pod, "config is required"],
  ["no sandbox config", containerConfig(), null, "sandbox_config is required"],
  [
    "a relative log directory",
    containerConfig(),
    podSandboxConfig({ logDirectory: "logs" }),
    "sandbox_config.log_directory",
  ],
] as const) {
  test(`a request with ${title} is refused`, () => {
    refuses(() => parseContainerConfig(config, sandbox), "invalid", start);
  });
}

const env = (key: string, value = Buffer.from("v")): ContainerConfig => ({ envs: [{ key, value }] });
const context = "config.linux.security_context";
const unknown = 99 as never;

const invalid: [string, ContainerConfig, string][] = [
  ["no metadata", { metadata: null }, "config.metadata is required"],
  ["Windows settings", { windows: {} }, "config.windows: this is a Linux host"],
  ["no name", { metadata: { name: "" } }, "config.metadata.name is required"],
  ["a name that Docker refuses", { metadata: { name: "a/b" } }, 'config.metadata.name "a/b" has characters'],
  ["the sandbox's name", { metadata: { name: "POD" } }, 'config.metadata.name "POD" is the sandbox\'s own'],
  ["no image", { image: null }, "config.image.image is required"],
  ["an empty image", { image: { image: "" } }, "config.image.image is required"],
  ["an unknown stop signal", { stopSignal: unknown }, "config.stop_signal 99 is unknown"],
  ["a variable without a name", env(""), 'config.envs[0].key "" cannot name a variable'],
  ["a variable's name with an equal sign", env("A=B"), 'config.envs[0].key "A=B" cannot name a variable'],
  [
    "a value that is not text",
    env("A", Buffer.from([0xff, 0xfe])),
    "config.envs[0]: the value of A is not UTF-8",
  ],
  ["a device without a path", { devices: [{ permissions: "r" }] }, "config.devices[0].host_path is required"],
  [
    "a device with strange rights",
    { devices: [{ hostPath: "/dev/x", permissions: "rx" }] },
    'config.devices[0].permissions "rx" may',
  ],
  [
    "a mount without a source",
    { mounts: [{ containerPath: "/a" }] },
    "config.mounts[0].host_path is required",
  ],
  [
    "a CDI device without a vendor",
    { CDIDevices: [{ name: "gpu=0" }] },
    'config.CDI_devices[0].name "gpu=0" is no CDI device',
  ],
  [
    "two mounts at one place",
    { mounts: ["/a", "/a"].map((containerPath) => ({ containerPath, hostPath: "/a" })) },
    'config.mounts[1].container_path "/a"',
  ],
  ["negative CPU shares", { linux: { resources: { cpuShares: -1 } } }, "config.linux.resources"],
  [
    "an unknown pid mode",
    secured({ namespaceOptions: { pid: unknown } }),
    `${context}.namespace_options.pid 99`,
  ],
  ["an unknown seccomp type", secured({ seccomp: { profileType: unknown } }), `${context}.seccomp`],
  [
    "an unknown groups policy",
    secured({ supplementalGroupsPolicy: unknown }),
    `${context}.supplemental_groups_policy 99`,
  ],
  [
    "a rubbish seccomp profile",
    secured({ seccompProfilePath: "rubbish" }),
    `${context}.seccomp: unknown profile`,
  ],
  [
    "a rubbish AppArmor profile",
    secured({ apparmorProfile: "rubbish" }),
    `${context}.apparmor: unknown profile`,
  ],
  ["a group without a user", secured({ runAsGroup: { value: 1 } }), `${context}.run_as_group is set without`],
];
for (const [title, config, start] of invalid) {
  test(`a container with ${title} is refused: ${start}…`, () =>
    refuses(() => parse(config), "invalid", start));
}

test("a value that is not text is refused without being repeated", () => {
  assert.throws(
    () => parse(env("TOKEN", Buffer.concat([Buffer.from("s3cret"), Buffer.from([0xff])]))),
    (error: Error) => !error.message.includes("s3cret"),
  );
});

const unimplemented: [string, ContainerConfig, string][] = [
  [
    "ambient capabilities",
    secured({ capabilities: { addAmbientCapabilities: ["CHOWN"] } }),
    `${context}.capabilities.add_ambient`,
  ],
  [
    "a user namespace",
    secured({ namespaceOptions: { usernsOptions: { mode: "POD" } } }),
    `${context}.namespace_options.userns`,
  ],
  [
    "owners mapped for a mount",
    { mounts: [{ containerPath: "/a", hostPath: "/a", uidMappings: [{ length: 1 }] }] },
    "config.mounts[0].uidMappings",
  ],
];
for (const [title, config, start] of unimplemented) {
  test(`${title}, which are understood but not built, are refused as unimplemented`, () => {
    refuses(() => parse(config), "unimplemented", start);
  });
}
