import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodSandboxConfig } from "../../../src/generated/runtime/v1/PodSandboxConfig.js";
import type { PortMapping } from "../../../src/generated/runtime/v1/PortMapping.js";
import { parseSandboxConfig } from "../../../src/pods/spec.js";
import { refuses } from "../../support/assertions.js";
import { podSandboxConfig } from "../../support/builders.js";

const parse = (config: PodSandboxConfig, handler = "") =>
  parseSandboxConfig(podSandboxConfig(config), handler);
const security = (context: object): PodSandboxConfig => ({ linux: { securityContext: context } });

test("a pod that asks for nothing gets a sandbox with nothing special", () => {
  assert.deepEqual(parse({}), {
    metadata: { name: "web", namespace: "default", uid: "u-1", attempt: 0 },
    hostname: "",
    logDirectory: "",
    dns: undefined,
    ports: [],
    labels: {},
    annotations: {},
    cgroupParent: "",
    sysctls: {},
    namespaces: { network: "POD", pid: "POD", ipc: "POD", target: "" },
    identity: { user: "", group: undefined, supplementalGroups: [], policy: "Merge" },
    confinement: {
      privileged: false,
      readonlyRootfs: false,
      noNewPrivileges: true,
      seccomp: undefined,
      apparmor: undefined,
      selinux: [],
    },
    runtimeHandler: "",
  });
});

test("everything that a pod can ask for reaches the sandbox", () => {
  const spec = parse(
    {
      hostname: "web-0",
      logDirectory: "/var/log/pods/default_web_u-1",
      dnsConfig: { servers: ["10.96.0.10"], searches: ["svc.cluster.local"], options: ["ndots:5"] },
      portMappings: [{ protocol: "UDP", containerPort: 53, hostPort: 5353, hostIp: "fd00::1" }],
      labels: { app: "web" },
      annotations: { note: "x" },
      linux: {
        cgroupParent: "/kubepods/podu-1",
        sysctls: { "net.core.somaxconn": "1024" },
        securityContext: {
          namespaceOptions: { network: "NODE", pid: "CONTAINER", ipc: "NODE" },
          runAsUser: { value: 1000 },
          runAsGroup: { value: 2000 },
          supplementalGroups: [1, "2147483647"],
          supplementalGroupsPolicy: "Strict",
          privileged: true,
          readonlyRootfs: true,
          seccomp: { profileType: "Localhost", localhostRef: "/p.json" },
          apparmor: { profileType: "Unconfined" },
          selinuxOptions: { level: "s0:c1" },
        },
      },
    },
    "kata",
  );
  assert.deepEqual(spec, {
    metadata: { name: "web", namespace: "default", uid: "u-1", attempt: 0 },
    hostname: "web-0",
    logDirectory: "/var/log/pods/default_web_u-1",
    dns: { servers: ["10.96.0.10"], searches: ["svc.cluster.local"], options: ["ndots:5"] },
    ports: [{ protocol: "udp", containerPort: 53, hostPort: 5353, hostIp: "fd00::1" }],
    labels: { app: "web" },
    annotations: { note: "x" },
    cgroupParent: "/kubepods/podu-1",
    sysctls: { "net.core.somaxconn": "1024" },
    namespaces: { network: "NODE", pid: "CONTAINER", ipc: "NODE", target: "" },
    identity: { user: "1000", group: 2000, supplementalGroups: [1, 2147483647], policy: "Strict" },
    confinement: {
      privileged: true,
      readonlyRootfs: true,
      noNewPrivileges: true,
      seccomp: { type: "localhost", ref: "/p.json" },
      apparmor: { type: "unconfined" },
      selinux: ["label=level:s0:c1"],
    },
    runtimeHandler: "kata",
  });
});

test("an empty DNS message leaves DNS to the engine", () =>
  assert.equal(parse({ dnsConfig: {} }).dns, undefined));

for (const dnsConfig of [{ servers: ["1.1.1.1"] }, { searches: ["a.b"] }, { options: ["ndots:2"] }]) {
  test(`DNS with only ${Object.keys(dnsConfig).join()} replaces the engine's`, () => {
    assert.deepEqual(parse({ dnsConfig }).dns, { servers: [], searches: [], options: [], ...dnsConfig });
  });
}

for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
  test(`a ${protocol} port can be mapped on every address of the node`, () => {
    assert.deepEqual(parse({ portMappings: [{ protocol, containerPort: 65535, hostPort: 65535 }] }).ports, [
      { protocol: protocol.toLowerCase(), containerPort: 65535, hostPort: 65535, hostIp: "" },
    ]);
  });
}

test("a missing config is named", () =>
  refuses(() => parseSandboxConfig(null, ""), "invalid", "config is required"));

const metadata = (change: object): PodSandboxConfig => ({
  metadata: { name: "web", namespace: "default", uid: "u-1", ...change },
});
const port = (change: PortMapping): PodSandboxConfig => ({
  portMappings: [{ containerPort: 1 }, { containerPort: 80, ...change }],
});

const place = "config.linux.security_context";
for (const [title, config, start] of [
  ["no metadata", { metadata: null }, "config.metadata is required"],
  ["Windows settings", { windows: {} }, "config.windows: this is a Linux host"],
  ["no name", metadata({ name: "" }), "config.metadata.name is required"],
  ["no namespace", metadata({ namespace: "" }), "config.metadata.namespace is required"],
  ["no uid", metadata({ uid: "" }), "config.metadata.uid is required"],
  ["a name that Docker refuses", metadata({ name: "a b" }), 'config.metadata.name "a b" has characters'],
  [
    "a namespace that could not be read back",
    metadata({ namespace: "a_b" }),
    'config.metadata.namespace "a_b" has',
  ],
  ["a uid that Docker refuses", metadata({ uid: "u/1" }), 'config.metadata.uid "u/1" has characters'],
  [
    "a relative log directory",
    { logDirectory: "logs" },
    'config.log_directory "logs" is not an absolute path',
  ],
  ["port 0", port({ containerPort: 0 }), "config.port_mappings[1].container_port 0 is not a port"],
  ["a negative port", port({ containerPort: -1 }), "config.port_mappings[1].container_port -1 is not a port"],
  [
    "port 65536",
    port({ containerPort: 65536 }),
    "config.port_mappings[1].container_port 65536 is not a port",
  ],
  ["a negative host port", port({ hostPort: -1 }), "config.port_mappings[1].host_port -1 is not a port"],
  ["host port 65536", port({ hostPort: 65536 }), "config.port_mappings[1].host_port 65536 is not a port"],
  [
    "a host name for an address",
    port({ hostIp: "localhost" }),
    'config.port_mappings[1].host_ip "localhost" is not',
  ],
  ["an unknown protocol", port({ protocol: 9 as never }), "config.port_mappings[1].protocol 9 is unknown"],
  [
    "another's processes",
    security({ namespaceOptions: { pid: "TARGET", targetId: "x" } }),
    `${place}.namespace_options.pid is TARGET`,
  ],
  [
    "a network of no kind",
    security({ namespaceOptions: { network: "CONTAINER" } }),
    `${place}.namespace_options.network is`,
  ],
  ["a group without a user", security({ runAsGroup: { value: 1 } }), `${place}.run_as_group is set without`],
  ["an unknown seccomp type", security({ seccomp: { profileType: 9 } }), `${place}.seccomp.profile_type 9`],
  ["a rubbish seccomp text", security({ seccompProfilePath: "x" }), `${place}.seccomp: unknown profile`],
  [
    "a nameless profile",
    security({ apparmor: { profileType: "Localhost" } }),
    `${place}.apparmor.localhost_ref`,
  ],
  [
    "an unknown groups policy",
    security({ supplementalGroupsPolicy: 9 }),
    `${place}.supplemental_groups_policy 9`,
  ],
  ["a negative group", security({ supplementalGroups: [-1] }), `${place}.supplemental_groups[0] is negative`],
  ["a negative user", security({ runAsUser: { value: -1 } }), `${place}.run_as_user is negative`],
] as [string, PodSandboxConfig, string][]) {
  test(`a pod with ${title} is refused: ${start}…`, () => refuses(() => parse(config), "invalid", start));
}
