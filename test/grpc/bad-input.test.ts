/** What a client gets for requests that cannot be right: a code, the field's name, and nothing done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import {
  appImage,
  containerConfig,
  createContainer,
  podConfig,
  runContainer,
  runPod,
  sharedServer,
  startServer,
  versions,
  type Method,
} from "../support/server.js";
import { readTables, tableCodec, type Version } from "../support/table-client.js";

const shared = await sharedServer();

const unknownId = "f".repeat(64);
const metadata = { name: "web-0", uid: "7c1e", namespace: "shop" };

interface BadInput {
  title: string;
  method: Method;
  request: object;
  /** What the message must name. */
  field: string;
  only?: Version;
  code?: status;
}

const runPodWith = (overrides: object, field: string, title: string): BadInput => ({
  title,
  method: "RunPodSandbox",
  request: { config: podConfig(overrides) },
  field,
});
const podSecurity = (security_context: object, field: string, title: string): BadInput =>
  runPodWith(
    { linux: { security_context } },
    `config.linux.security_context.${field}`,
    `RunPodSandbox with ${title}`,
  );
/** Names the pod by a prefix of the id that every test of this file's gives it. */
const createWith = (overrides: object, field: string, title: string): BadInput => ({
  title: `CreateContainer with ${title}`,
  method: "CreateContainer",
  request: {
    pod_sandbox_id: "abc",
    config: containerConfig(overrides),
    sandbox_config: podConfig({ log_directory: "/var/log/pods/x" }),
  },
  field,
});
const security = (security_context: object, field: string, title: string): BadInput =>
  createWith({ linux: { security_context } }, field, title);
const mount = (mount: object, field: string, title: string): BadInput =>
  createWith(
    { mounts: [{ host_path: "/tmp", container_path: "/a" }, mount] },
    `config.mounts[1].${field}`,
    title,
  );

const idFields: [Method, string, object?][] = [
  ["StartPodSandbox", "pod_sandbox_id"],
  ["StopPodSandbox", "pod_sandbox_id"],
  ["RemovePodSandbox", "pod_sandbox_id"],
  ["PodSandboxStatus", "pod_sandbox_id"],
  ["CreateContainer", "pod_sandbox_id", { config: containerConfig(), sandbox_config: podConfig() }],
  ["StartContainer", "container_id"],
  ["StopContainer", "container_id"],
  ["RemoveContainer", "container_id"],
  ["PauseContainer", "container_id"],
  ["UnpauseContainer", "container_id"],
  ["ContainerStatus", "container_id"],
  ["ContainerStats", "container_id"],
  ["PodSandboxStats", "pod_sandbox_id"],
  ["ExecSync", "container_id", { cmd: ["date"] }],
  ["Exec", "container_id", { cmd: ["date"], stdout: true }],
  ["Attach", "container_id", { stdout: true }],
  ["PortForward", "pod_sandbox_id"],
];

const badName = (name: string, field: string): BadInput =>
  runPodWith(
    { metadata: { ...metadata, [field]: name } },
    `config.metadata.${field} ${JSON.stringify(name)}`,
    `RunPodSandbox with the ${field} ${JSON.stringify(name)}`,
  );

const cases: BadInput[] = [
  ...idFields.map(([method, field, rest = {}]) => ({
    title: `${method} without ${field}`,
    method,
    request: rest,
    field: `${field} is required`,
  })),
  ...(["ImageStatus", "PullImage", "RemoveImage"] as const).flatMap((method) => [
    { title: `${method} without an image`, method, request: {}, field: "image is required" },
    {
      title: `${method} with an empty image`,
      method,
      request: { image: { image: "" } },
      field: "image.image is required",
    },
  ]),
  ...["a b", "BAD", "http://x/y", "a:b:c", `sha256:${unknownId}`].map((image) => ({
    title: `PullImage of ${JSON.stringify(image)}`,
    method: "PullImage" as const,
    request: { image: { image } },
    field: `image ${JSON.stringify(image)}`,
  })),
  {
    title: "PullImage with credentials that are no base64 of user:password",
    method: "PullImage",
    request: { image: { image: appImage }, auth: { auth: "????" } },
    field: "auth.auth",
  },

  {
    title: "RunPodSandbox without a config",
    method: "RunPodSandbox",
    request: {},
    field: "config is required",
  },
  runPodWith({ metadata: null }, "config.metadata is required", "RunPodSandbox without metadata"),
  ...["name", "namespace", "uid"].map((field) =>
    runPodWith(
      { metadata: { ...metadata, [field]: "" } },
      `config.metadata.${field} is required`,
      `RunPodSandbox without a ${field}`,
    ),
  ),
  ...["a/b", "a b", "a_b", "ä"].map((name) => badName(name, "name")),
  badName("a_b", "namespace"),
  badName("a/b", "uid"),
  runPodWith(
    { log_directory: "logs" },
    'config.log_directory "logs"',
    "RunPodSandbox with a relative log path",
  ),
  {
    title: "RunPodSandbox with a runtime handler that Docker does not know",
    method: "RunPodSandbox",
    request: { config: podConfig(), runtime_handler: "kata" },
    field: 'runtime_handler "kata"',
  },
  ...[
    { port: { container_port: 0 }, field: "container_port 0" },
    { port: { container_port: 65536 }, field: "container_port 65536" },
    { port: { container_port: 80, host_port: -1 }, field: "host_port -1" },
    { port: { container_port: 80, host_port: 70000 }, field: "host_port 70000" },
    { port: { container_port: 80, host_ip: "here" }, field: 'host_ip "here"' },
    { port: { container_port: 80, protocol: 9 }, field: "protocol 9" },
  ].map(({ port, field }) =>
    runPodWith(
      { port_mappings: [{ container_port: 1 }, port] },
      `config.port_mappings[1].${field}`,
      `RunPodSandbox with the ${field}`,
    ),
  ),
  podSecurity({ namespace_options: { network: 9 } }, "namespace_options.network", "an unknown network mode"),
  podSecurity(
    { namespace_options: { network: "CONTAINER" } },
    "namespace_options.network",
    "network CONTAINER",
  ),
  podSecurity({ namespace_options: { pid: 9 } }, "namespace_options.pid", "an unknown pid mode"),
  podSecurity(
    { namespace_options: { pid: "TARGET", target_id: "x" } },
    "namespace_options.pid",
    "pid TARGET",
  ),
  podSecurity({ namespace_options: { ipc: 9 } }, "namespace_options.ipc", "an unknown ipc mode"),
  {
    ...podSecurity(
      { namespace_options: { userns_options: { mode: 9 } } },
      "namespace_options.userns_options",
      "an unknown user namespace mode",
    ),
    only: "v1",
  },
  podSecurity({ run_as_user: { value: -1 } }, "run_as_user", "a negative user"),
  podSecurity({ run_as_group: { value: 1 } }, "run_as_group", "a group without a user"),
  podSecurity({ supplemental_groups: [-1] }, "supplemental_groups[0]", "a negative group"),
  podSecurity({ seccomp_profile_path: "none" }, "seccomp", "an unknown seccomp profile"),

  {
    title: "CreateContainer without a config",
    method: "CreateContainer",
    request: { pod_sandbox_id: "abc", sandbox_config: podConfig() },
    field: "config is required",
  },
  {
    title: "CreateContainer without a sandbox config",
    method: "CreateContainer",
    request: { pod_sandbox_id: "abc", config: containerConfig() },
    field: "sandbox_config is required",
  },
  {
    title: "CreateContainer with a relative log directory",
    method: "CreateContainer",
    request: {
      pod_sandbox_id: "abc",
      config: containerConfig(),
      sandbox_config: podConfig({ log_directory: "logs" }),
    },
    field: 'sandbox_config.log_directory "logs"',
  },
  createWith({ metadata: null }, "config.metadata is required", "no metadata"),
  createWith({ metadata: { name: "" } }, "config.metadata.name is required", "no name"),
  createWith({ metadata: { name: "a_b" } }, 'config.metadata.name "a_b"', "an underscore in the name"),
  createWith({ metadata: { name: "POD" } }, 'config.metadata.name "POD"', "the sandbox's name"),
  createWith({ image: null }, "config.image.image is required", "no image"),
  createWith({ image: { image: "" } }, "config.image.image is required", "an empty image"),
  createWith(
    { log_path: "../../etc/passwd" },
    "config.log_path",
    "a log path that leads out of its directory",
  ),
  createWith({ log_path: "/etc/passwd" }, "config.log_path", "an absolute log path"),
  createWith({ envs: [{ key: "" }] }, "config.envs[0].key", "an empty name of a variable"),
  createWith({ envs: [{ key: "A=B" }] }, "config.envs[0].key", "a = in the name of a variable"),
  {
    ...createWith({ envs: [{ key: "A", value: Buffer.from([255]) }] }, "config.envs[0]", "an env of bytes"),
    only: "v1",
  },
  mount({ container_path: "/b" }, "host_path is required", "a mount from nowhere"),
  mount({ host_path: "/a" }, "container_path", "a mount to nowhere"),
  mount({ host_path: "a", container_path: "/a" }, 'host_path "a"', "a relative host path"),
  mount({ host_path: "/a", container_path: "a" }, 'container_path "a"', "a relative container path"),
  mount({ host_path: "/a", container_path: "/a", propagation: 9 }, "propagation 9", "an unknown propagation"),
  {
    ...mount(
      { host_path: "/a", container_path: "/a", recursive_read_only: true },
      "recursive_read_only",
      "a recursively read-only mount that is not read-only",
    ),
    only: "v1",
  },
  ...(
    [
      [{ host_path: "/a", mount_options: ["x"] }, 'mount_options: "x"', "an unknown mount option"],
      [{ host_path: "/a", image: { image: "x" }, readonly: true }, "host_path", "a mount of two sources"],
      [{ image: { image: "x" } }, "image is set without readonly", "an image to write to"],
      [{ host_path: "/a", image_sub_path: "x" }, "image_sub_path", "a part of no image"],
    ] as [object, string, string][]
  ).map(([fields, field, title]) => ({
    ...mount({ container_path: "/b", ...fields }, field, title),
    only: "v1" as const,
  })),
  mount({ host_path: "/tmp", container_path: "/a/" }, "container_path", "two mounts at one place"),
  createWith({ devices: [{ container_path: "/a" }] }, "config.devices[0].host_path", "a device from nowhere"),
  createWith(
    { devices: [{ host_path: "/dev/null", permissions: "rwx" }] },
    'config.devices[0].permissions "rwx"',
    "an unknown permission for a device",
  ),
  ...["cpu_period", "cpu_shares", "memory_limit_in_bytes"].map((field) =>
    createWith(
      { linux: { resources: { [field]: -1 } } },
      `config.linux.resources.${field}`,
      `a negative ${field}`,
    ),
  ),
  security(
    { namespace_options: { pid: 9 } },
    "security_context.namespace_options.pid",
    "an unknown pid mode",
  ),
  security(
    { namespace_options: { pid: "TARGET" } },
    "security_context.namespace_options.target_id",
    "pid TARGET of nobody",
  ),
  security({ run_as_user: { value: -1 } }, "security_context.run_as_user", "a negative user"),
  security({ run_as_group: { value: 1 } }, "security_context.run_as_group", "a group without a user"),
  security(
    { supplemental_groups: ["1", "2147483648"] },
    "security_context.supplemental_groups[1]",
    "a group that is none",
  ),
  security(
    { run_as_user: { value: 1 }, run_as_username: "root" },
    "security_context.run_as_user and run_as_username",
    "two users",
  ),
  ...["seccomp", "apparmor"].flatMap((field) => [
    security(
      { [field]: { profile_type: 9 } },
      `security_context.${field}.profile_type`,
      `an unknown type of ${field} profile`,
    ),
    security(
      { [field]: { profile_type: "Localhost" } },
      `security_context.${field}.localhost_ref`,
      `a ${field} profile without a name`,
    ),
  ]),
  security({ seccomp_profile_path: "none" }, "security_context.seccomp", "an unknown seccomp profile"),
  security(
    { seccomp: { profile_type: "Localhost", localhost_ref: "p.json" } },
    'seccomp profile "p.json"',
    "a relative seccomp profile",
  ),
  security(
    { seccomp: { profile_type: "Localhost", localhost_ref: "/no/such/p.json" } },
    "seccomp profile /no/such/p.json",
    "a seccomp profile that is not there",
  ),
  {
    ...security({ supplemental_groups_policy: 9 }, "supplemental_groups_policy", "an unknown policy"),
    only: "v1",
  },
  { ...createWith({ stop_signal: 999 }, "config.stop_signal 999", "an unknown stop signal"), only: "v1" },

  {
    title: "StopContainer with a negative timeout",
    method: "StopContainer",
    request: { container_id: "c", timeout: -1 },
    field: "timeout is negative",
  },
  {
    title: "ExecSync with a negative timeout",
    method: "ExecSync",
    request: { container_id: "c", cmd: ["date"], timeout: -1 },
    field: "timeout is negative",
  },
  {
    title: "ExecSync without a command",
    method: "ExecSync",
    request: { container_id: "c" },
    field: "cmd is required",
  },
  {
    title: "ListPodSandbox for an unknown state",
    method: "ListPodSandbox",
    request: { filter: { state: { state: 9 } } },
    field: "filter.state",
  },
  {
    title: "ListContainers for an unknown state",
    method: "ListContainers",
    request: { filter: { state: { state: 9 } } },
    field: "filter.state",
  },
  ...["10.0.0.0", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/8/8", "10.0.0.0/8,x"].map(
    (pod_cidr) => ({
      title: `UpdateRuntimeConfig with the range ${pod_cidr}`,
      method: "UpdateRuntimeConfig" as const,
      request: { runtime_config: { network_config: { pod_cidr } } },
      field: "runtime_config.network_config.pod_cidr",
    }),
  ),
];

const writes = /^(create|start|stop|kill|remove|pause|unpause|pull)/;

for (const version of versions) {
  for (const { title, method, request, field, only, code = status.INVALID_ARGUMENT } of cases) {
    if (only !== undefined && only !== version) continue;
    test(`${version}: ${title} is refused with the field's name, and nothing is done`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      if (method === "CreateContainer") {
        engine.containers.ids.push("abc".padEnd(64, "0"));
        await runPod(rpc);
        await rpc("PullImage", { image: { image: appImage } });
        engine.calls.length = 0;
      }
      await assert.rejects(rpc(method, request), (error: ServiceError) => {
        assert.equal(error.code, code, error.message);
        assert.ok(error.details.includes(field), `${error.details} does not name ${field}`);
        return true;
      });
      assert.deepEqual(
        engine.calls.filter((call) => writes.test(call.method)),
        [],
      );
    });
  }

  const unknown: [Method, object][] = [
    ["PodSandboxStatus", { pod_sandbox_id: unknownId }],
    ["StartPodSandbox", { pod_sandbox_id: unknownId }],
    [
      "CreateContainer",
      { pod_sandbox_id: unknownId, config: containerConfig(), sandbox_config: podConfig() },
    ],
    ["StartContainer", { container_id: unknownId }],
    ["ContainerStatus", { container_id: unknownId }],
    ["PauseContainer", { container_id: unknownId }],
    ["UpdateContainerResources", { container_id: unknownId, linux: {} }],
    ["UnpauseContainer", { container_id: unknownId }],
    ["ExecSync", { container_id: unknownId, cmd: ["date"] }],
  ];
  for (const [method, request] of unknown) {
    test(`${version}: ${method} of an id that does not exist is NOT_FOUND and names it`, async () => {
      const rpc = shared.fresh().rpc(version);
      await assert.rejects(rpc(method, request), { code: status.NOT_FOUND, details: new RegExp(unknownId) });
    });
  }

  test(`${version}: a container that wants to see the processes of no container is NOT_FOUND`, async () => {
    const rpc = shared.fresh().rpc(version);
    const pod = await runPod(rpc);
    const namespace_options = { pid: "TARGET", target_id: unknownId };
    const creation = createContainer(rpc, pod, { linux: { security_context: { namespace_options } } });
    await assert.rejects(creation, { code: status.NOT_FOUND, details: new RegExp(unknownId) });
  });

  test(`${version}: a pod is no container and a container no pod`, async () => {
    const rpc = shared.fresh().rpc(version);
    const pod = await runPod(rpc);
    const container = await runContainer(rpc, pod);
    await assert.rejects(rpc("ContainerStatus", { container_id: pod }), { code: status.NOT_FOUND });
    await assert.rejects(rpc("PodSandboxStatus", { pod_sandbox_id: container }), { code: status.NOT_FOUND });
    await rpc("RemoveContainer", { container_id: pod });
    await rpc("RemovePodSandbox", { pod_sandbox_id: container });
    assert.equal((await rpc("ContainerStatus", { container_id: container })).status?.id, container);
    assert.equal((await rpc("PodSandboxStatus", { pod_sandbox_id: pod })).status?.id, pod);
  });

  for (const [method, field, rest = {}] of idFields) {
    test(`${version}: ${method} of an id that two begin with is refused, and neither is touched`, async () => {
      const { engine, rpc: connect } = shared.fresh();
      const rpc = connect(version);
      engine.containers.ids.push(...["a1", "a2", "c1", "c2"].map((start) => start.padEnd(64, "0")));
      const pod = await runPod(rpc);
      await runPod(rpc, { metadata: { name: "other", uid: "u", namespace: "n" } });
      await runContainer(rpc, pod);
      await runContainer(rpc, pod, { metadata: { name: "more" } });
      engine.calls.length = 0;
      const request = { ...rest, [field]: field === "container_id" ? "c" : "a" };
      await assert.rejects(rpc(method, request), { code: status.INVALID_ARGUMENT, details: /ambiguous/ });
      assert.deepEqual(
        engine.calls.filter((call) => writes.test(call.method)),
        [],
      );
    });
  }

  const implemented = new Set<string>([
    ...["Version", "Status", "RuntimeConfig", "UpdateRuntimeConfig"],
    ...["UpdateContainerResources", "UpdatePodSandboxResources"],
    ...["RunPodSandbox", "StartPodSandbox", "StopPodSandbox", "RemovePodSandbox"],
    ...["PodSandboxStatus", "ListPodSandbox", "CreateContainer", "StartContainer", "StopContainer"],
    ...["RemoveContainer", "PauseContainer", "UnpauseContainer", "ListContainers", "ContainerStatus"],
    ...["ContainerStats", "ListContainerStats", "PodSandboxStats", "ListPodSandboxStats"],
    ...["StreamPodSandboxes", "StreamContainers", "StreamContainerStats", "StreamPodSandboxStats"],
    ...["GetContainerEvents", "StreamImages"],
    ...["ListMetricDescriptors", "ListPodSandboxMetrics", "StreamPodSandboxMetrics"],
    ...[
      "ExecSync",
      "ReopenContainerLog",
      "Exec",
      "Attach",
      "PortForward",
      "ListImages",
      "ImageStatus",
      "PullImage",
      "RemoveImage",
      "ImageFsInfo",
    ],
  ]);
  const rpcs = readTables(version).filter(({ kind }) => kind === "rpc");

  for (const { owner, name, type, note } of rpcs.filter((rpc) => !implemented.has(rpc.name))) {
    test(`${version}: ${name} is not built yet and says so`, async () => {
      const { config } = shared.fresh();
      const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
      const codec = tableCodec(version);
      const path = `/runtime.${version}.${owner}/${name}`;
      const encode = () => codec.encode(type, {});
      const decode = (bytes: Buffer) => codec.decode(note.replace("stream ", ""), bytes);
      const error = await new Promise<ServiceError | null>((resolve) => {
        if (note.startsWith("stream ")) {
          client.makeServerStreamRequest(path, encode, decode, {}).on("error", resolve).resume();
        } else client.makeUnaryRequest(path, encode, decode, {}, (failure) => resolve(failure));
      });
      client.close();
      assert.deepEqual(
        [error?.code, error?.details],
        [status.UNIMPLEMENTED, `${name} is not implemented yet`],
      );
    });
  }
}

test("with the systemd cgroup driver, a cgroup parent that is no slice is refused by name", async (t) => {
  const { rpc } = await startServer(t, {}, (engine) => (engine.facts.CgroupDriver = "systemd"));
  const run = runPod(rpc("v1"), { linux: { cgroup_parent: "/kubepods/burstable" } });
  await assert.rejects(run, { code: status.INVALID_ARGUMENT, details: /cgroup_parent.*kubepods\/burstable/ });
});

test("v1: what Docker cannot do (yet) is UNIMPLEMENTED and names the field", async () => {
  const rpc = shared.fresh().rpc("v1");
  const pod = await runPod(rpc);
  const path = { host_path: "/a", container_path: "/a" };
  const requests: [object, string][] = [
    [{ mounts: [{ ...path, uidMappings: [{ length: 1 }] }] }, "uidMappings"],
    [
      { linux: { security_context: { namespace_options: { userns_options: { mode: "POD" } } } } },
      "userns_options",
    ],
    [
      { linux: { security_context: { capabilities: { add_ambient_capabilities: ["CHOWN"] } } } },
      "add_ambient_capabilities",
    ],
  ];
  for (const [overrides, field] of requests) {
    await assert.rejects(createContainer(rpc, pod, overrides), (error: ServiceError) => {
      assert.equal(error.code, status.UNIMPLEMENTED, error.message);
      assert.ok(error.details.includes(field), error.details);
      return true;
    });
  }
});

test("a request that is no message is refused, and the server goes on", async () => {
  const { config, rpc } = shared.fresh();
  const client = new Client(`unix:${config.socketPath}`, credentials.createInsecure());
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest(
      "/runtime.v1.RuntimeService/RunPodSandbox",
      () => Buffer.from([0x0a, 0xff, 0xff]),
      (bytes) => bytes,
      {},
      (failure) => resolve(failure),
    );
  });
  client.close();
  assert.ok(error, "the call succeeded");
  assert.equal((await rpc("v1")("Version")).runtime_name, "docker");
});
