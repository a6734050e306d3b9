import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostConfig } from "dockerode";
import type { LinuxSandboxSecurityContext } from "../../../src/generated/runtime/v1/LinuxSandboxSecurityContext.js";
import type { PodSandboxConfig } from "../../../src/generated/runtime/v1/PodSandboxConfig.js";
import type { HostFacts } from "../../../src/host/facts.js";
import type { SandboxNetwork } from "../../../src/network/pod-network.js";
import { parseSandboxConfig } from "../../../src/pods/spec.js";
import { toResolvConf, toSandboxOptions } from "../../../src/pods/to-docker.js";
import { hostFacts, imageFacts, imageId, podSandboxConfig } from "../../support/builders.js";

const image = imageFacts();
const options = (
  config: PodSandboxConfig,
  host: Partial<HostFacts> = {},
  handler = "",
  network?: SandboxNetwork,
  extras: Partial<Parameters<typeof toSandboxOptions>[4]> = {},
) => {
  const spec = parseSandboxConfig(podSandboxConfig(config), handler);
  const docker = { mode: "pods", ports: spec.ports };
  const podNetwork = spec.namespaces.network === "POD" ? (network ?? docker) : undefined;
  return toSandboxOptions(spec, image, podNetwork, hostFacts(host), {
    runtime: "",
    identity: undefined,
    seccomp: undefined,
    ...extras,
  });
};
const onHost: PodSandboxConfig = {
  linux: { securityContext: { namespaceOptions: { network: "NODE", pid: "NODE", ipc: "NODE" } } },
};

test("a plain pod is a pause container like the predecessors'", () => {
  assert.deepEqual(options({}), {
    name: "k8s_POD_web_default_u-1_0",
    Image: imageId,
    Labels: {
      "io.kubernetes.docker.type": "podsandbox",
      "io.kubernetes.container.name": "POD",
      "io.kubernetes.docker.runtimehandler": "",
    },
    ExposedPorts: {},
    HostConfig: {
      NetworkMode: "pods",
      IpcMode: "shareable",
      PidMode: "",
      PortBindings: {},
      CgroupParent: "",
      CpuShares: 2,
      OomScoreAdj: -998,
      ShmSize: 67108864,
      Sysctls: {},
      GroupAdd: [],
      ReadonlyRootfs: false,
      SecurityOpt: ["no-new-privileges", "seccomp=unconfined"],
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "none", Config: {} },
    },
  });
});

test("a pod on the node's network has the node's name, and publishes no ports", () => {
  const { HostConfig, ...rest } = options({
    ...onHost,
    hostname: "web-0",
    portMappings: [{ containerPort: 80, hostPort: 8080 }],
  });
  assert.equal(HostConfig?.NetworkMode, "host");
  assert.equal(HostConfig?.UTSMode, "host");
  assert.equal("PortBindings" in (HostConfig ?? {}), false);
  assert.equal("ExposedPorts" in rest, false);
  assert.equal("Hostname" in rest, false);
});

test("a pod can see the node's processes and its shared memory", () => {
  const { HostConfig } = options(onHost);
  assert.deepEqual([HostConfig?.PidMode, HostConfig?.IpcMode], ["host", "host"]);
});

test("a pod's own host name is Docker's", () =>
  assert.equal(options({ hostname: "web-0" }).Hostname, "web-0"));

test("a network plugin's pod starts without a network of Docker's, and its host ports are not Docker's", () => {
  const config = { portMappings: [{ containerPort: 80, hostPort: 8080 }] };
  const { ExposedPorts, HostConfig } = options(config, {}, "", { mode: "none", ports: [] });
  assert.deepEqual([HostConfig?.NetworkMode, HostConfig?.PortBindings, ExposedPorts], ["none", {}, {}]);
});

test("ports are published where a host port is given, and only declared otherwise", () => {
  const { ExposedPorts, HostConfig } = options({
    portMappings: [
      { containerPort: 80, hostPort: 8080 },
      { containerPort: 80, hostPort: 8081, hostIp: "127.0.0.1" },
      { containerPort: 53, protocol: "UDP", hostPort: 53, hostIp: "::1" },
      { containerPort: 53, protocol: "TCP", hostPort: 53 },
      { containerPort: 9000 },
      { containerPort: 38412, protocol: "SCTP", hostPort: 38412 },
    ],
  });
  assert.deepEqual(ExposedPorts, {
    "80/tcp": {},
    "53/udp": {},
    "53/tcp": {},
    "9000/tcp": {},
    "38412/sctp": {},
  });
  assert.deepEqual(HostConfig?.PortBindings, {
    "80/tcp": [
      { HostIp: "", HostPort: "8080" },
      { HostIp: "127.0.0.1", HostPort: "8081" },
    ],
    "53/udp": [{ HostIp: "::1", HostPort: "53" }],
    "53/tcp": [{ HostIp: "", HostPort: "53" }],
    "38412/sctp": [{ HostIp: "", HostPort: "38412" }],
  });
});

test("labels and annotations are kept so that they can be told apart", () => {
  const { Labels } = options({ labels: { app: "web" }, annotations: { app: "note" } });
  assert.equal(Labels?.["app"], "web");
  assert.equal(Labels?.["annotation.app"], "note");
});

test("a runtime handler is one of the engine's runtimes, and none is left to the engine", () => {
  const { Labels, HostConfig } = options({}, {}, "gvisor", undefined, { runtime: "runsc" });
  assert.equal(HostConfig?.Runtime, "runsc");
  assert.equal(Labels?.["io.kubernetes.docker.runtimehandler"], "gvisor");
  assert.equal("Runtime" in (options({}).HostConfig ?? {}), false);
});

test("the sysctls and the read-only root are handed on", () => {
  const { HostConfig } = options({
    linux: { sysctls: { "kernel.shm_rmid_forced": "1" }, securityContext: { readonlyRootfs: true } },
  });
  assert.deepEqual(HostConfig?.Sysctls, { "kernel.shm_rmid_forced": "1" });
  assert.equal(HostConfig?.ReadonlyRootfs, true);
});

test("the pause process runs as whom the pod asks for, in numbers, else as its image says", () => {
  const extras = { identity: { uid: 1000, gid: 0, groups: [7, 8] } };
  const { User, HostConfig } = options({}, {}, "", undefined, extras);
  assert.deepEqual([User, HostConfig?.GroupAdd], ["1000:0", ["7", "8"]]);
  assert.equal("User" in options({}), false);
});

const secured = (
  securityContext: LinuxSandboxSecurityContext,
  host: Partial<HostFacts> = {},
  seccomp?: string,
): HostConfig =>
  options({ linux: { securityContext } }, host, "", undefined, seccomp === undefined ? {} : { seccomp })
    .HostConfig ?? {};

for (const [title, context, expected] of [
  ["the engine's own seccomp profile", { seccomp: { profileType: "RuntimeDefault" } }, []],
  ["no seccomp profile", { seccomp: { profileType: "Unconfined" } }, ["seccomp=unconfined"]],
  ["no seccomp profile, in the older field", { seccompProfilePath: "unconfined" }, ["seccomp=unconfined"]],
  ["the engine's own, in the older field", { seccompProfilePath: "runtime/default" }, []],
  [
    "a seccomp profile of its own",
    { seccomp: { profileType: "Localhost", localhostRef: "/p.json" } },
    ['seccomp={"a":1}'],
  ],
  [
    "an AppArmor profile",
    { apparmor: { profileType: "Localhost", localhostRef: "k8s-web" }, seccompProfilePath: "docker/default" },
    ["apparmor=k8s-web"],
  ],
  [
    "an SELinux label",
    { selinuxOptions: { type: "spc_t" }, seccompProfilePath: "docker/default" },
    ["label=type:spc_t"],
  ],
] as [string, LinuxSandboxSecurityContext, string[]][]) {
  test(`a pod's pause container gets ${title}`, () => {
    const { SecurityOpt } = secured(context, {}, '{"a":1}');
    assert.deepEqual(SecurityOpt, ["no-new-privileges", ...expected]);
  });
}

test("a pod's AppArmor profile that the host cannot apply is refused", () => {
  const apparmor = { profileType: "Localhost", localhostRef: "k8s-web" } as const;
  assert.throws(() => secured({ apparmor }, { apparmor: false }), { kind: "invalid", message: /k8s-web/ });
});

test("a privileged pod's pause container is privileged, as far as the host allows", () => {
  const context = { privileged: true, seccomp: { profileType: "RuntimeDefault" } } as const;
  const made = secured(context);
  assert.deepEqual([made.Privileged, made.SecurityOpt], [true, ["no-new-privileges"]]);
  const restricted = secured(context, { missingCapabilities: ["SYS_RESOURCE"] });
  assert.deepEqual([restricted.Privileged, restricted.CapDrop], [undefined, ["SYS_RESOURCE"]]);
  assert.equal("Privileged" in secured({}), false);
});

test("a restricted host runs sandboxes with the lowest oom_score_adj that it can give", () => {
  assert.equal(options({}, { minOomScoreAdj: 200 }).HostConfig?.OomScoreAdj, 200);
});

test("the cgroup parent is put in the form of the engine's driver", () => {
  const slices = { linux: { cgroupParent: "/kubepods.slice/kubepods-podu_1.slice" } };
  assert.equal(
    options(slices, { cgroupDriver: "systemd" }).HostConfig?.CgroupParent,
    "kubepods-podu_1.slice",
  );
  assert.equal(
    options({ linux: { cgroupParent: "/kubepods/podu" } }).HostConfig?.CgroupParent,
    "/kubepods/podu",
  );
});

for (const [title, dns, expected] of [
  [
    "everything the kubelet asked for, a line each",
    { servers: ["10.96.0.10", "fd00::10"], searches: ["a.b", "c.d"], options: ["ndots:5", "edns0"] },
    "nameserver 10.96.0.10\nnameserver fd00::10\nsearch a.b c.d\noptions ndots:5 edns0\n",
  ],
  ["servers only", { servers: ["1.1.1.1"], searches: [], options: [] }, "nameserver 1.1.1.1\n"],
  ["searches only", { servers: [], searches: ["a.b"], options: [] }, "search a.b\n"],
  ["options only", { servers: [], searches: [], options: ["ndots:1"] }, "options ndots:1\n"],
] as [string, Parameters<typeof toResolvConf>[0], string][]) {
  test(`a pod's resolv.conf has ${title}`, () => assert.equal(toResolvConf(dns), expected));
}
