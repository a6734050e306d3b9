import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { Server, ServerCredentials, status, type handleUnaryCall } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { tableClient, tableCodec, type Version } from "../support/table-client.js";

const proto = loadSync(["runtime/v1/api.proto", "runtime/v1alpha2/api.proto"], {
  includeDirs: [fileURLToPath(new URL("../../proto", import.meta.url))],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

/** proto-loader's own codec for one message of our .proto files. */
function protoCodec(version: Version, name: string) {
  const message = proto[`runtime.${version}.${name}`];
  if (message === undefined || !("serialize" in message)) throw new Error(`no message ${name}`);
  const { serialize, deserialize } = message;
  if (typeof serialize !== "function" || typeof deserialize !== "function") throw new Error(name);
  return {
    encode: (value: object): Buffer => Buffer.from(serialize(value)),
    decode: (bytes: Buffer): unknown => deserialize(bytes),
  };
}

const metadata = { name: "web-0", uid: "7c1e", namespace: "shop", attempt: 2 };

const messages: { title: string; name: string; value: object; only?: Version }[] = [
  {
    title: "a request to run a sandbox",
    name: "RunPodSandboxRequest",
    value: {
      config: {
        metadata,
        hostname: "web-0",
        log_directory: "/var/log/pods/shop_web-0_7c1e",
        dns_config: { servers: ["10.96.0.10", "fd00::10"], searches: ["svc"], options: ["ndots:5"] },
        port_mappings: [
          { protocol: "UDP", container_port: 53, host_port: 5353, host_ip: "127.0.0.1" },
          { protocol: "SCTP", container_port: -1 },
        ],
        labels: { app: "web", "": "empty key" },
        annotations: { note: "größer" },
        linux: {
          cgroup_parent: "/kubepods/pod7c1e",
          security_context: {
            namespace_options: { network: "NODE", pid: "CONTAINER", ipc: "POD" },
            run_as_user: { value: "9007199254740993" },
            run_as_group: {},
            // Packed in proto3, and not in the proto2 that protobufjs assumes for what is built by hand.
            supplemental_groups: ["1", "-1", "70000"],
            seccomp: { profile_type: "Localhost", localhost_ref: "/p.json" },
            seccomp_profile_path: "localhost/p.json",
          },
          sysctls: { "net.ipv4.ip_forward": "1" },
        },
      },
      runtime_handler: "runc",
    },
  },
  {
    title: "a container with an environment",
    name: "ContainerConfig",
    value: {
      metadata: { name: "app", attempt: 4294967295 },
      image: { image: "registry.k8s.io/pause:3.9" },
      command: ["/bin/sh", ""],
      // Base64, which both kinds of value take: v1 decodes it to bytes, v1alpha2 has it as the string.
      envs: [{ key: "A", value: Buffer.from("käse").toString("base64") }, { key: "EMPTY" }],
      mounts: [{ container_path: "/d", host_path: "/h", propagation: "PROPAGATION_BIDIRECTIONAL" }],
      devices: [{ container_path: "/dev/a", host_path: "/dev/b", permissions: "rwm" }],
      stdin_once: true,
      linux: {
        resources: { cpu_quota: "-1", memory_limit_in_bytes: "9223372036854775807", unified: { a: "b" } },
        security_context: { capabilities: { add_capabilities: ["ALL"] }, privileged: true },
      },
    },
  },
  {
    title: "what only v1 has",
    name: "ContainerConfig",
    only: "v1",
    value: {
      envs: [{ key: "RAW", value: Buffer.from([0xff, 0x00, 0xfe]) }],
      mounts: [
        { uidMappings: [{ host_id: 65536, container_id: 0, length: 65536 }], mount_options: ["noexec"] },
      ],
      CDI_devices: [{ name: "vendor.com/gpu=0" }],
      stop_signal: "SIGNAL_SIGRTMAX",
    },
  },
  {
    title: "fractions and 64 bits without sign",
    name: "PsiStats",
    only: "v1",
    value: { Full: { Total: "18446744073709551615", Avg10: 0.1, Avg300: 1e-300 }, Some: {} },
  },
  {
    title: "what a command wrote",
    name: "ExecSyncResponse",
    value: { stdout: Buffer.from([0, 255, 10]), exit_code: -1 },
  },
  {
    title: "ports, packed",
    name: "PortForwardRequest",
    value: { pod_sandbox_id: "abc", port: [80, 65535, 1] },
  },
  { title: "an addition of ours", name: "StartPodSandboxRequest", value: { pod_sandbox_id: "abc" } },
  { title: "an empty message", name: "ImageFsInfoRequest", value: {} },
];

for (const version of ["v1", "v1alpha2"] as const) {
  const tables = tableCodec(version);
  for (const { title, name, value, only } of messages) {
    if (only !== undefined && only !== version) continue;
    test(`${version}: ${title} has the same bytes from the tables as from the .proto`, () => {
      const loader = protoCodec(version, name);
      const bytes = tables.encode(name, value);
      assert.equal(bytes.toString("hex"), loader.encode(value).toString("hex"));
      assert.deepEqual(tables.decode(name, bytes), loader.decode(bytes));
    });
  }
}

test("reads 64-bit numbers as text, enums as names and bytes as a Buffer", () => {
  const tables = tableCodec("v1");
  const roundTrip = (name: string, value: object) => tables.decode(name, tables.encode(name, value));
  assert.deepEqual(roundTrip("Int64Value", { value: "9007199254740993" }), { value: "9007199254740993" });
  assert.deepEqual(roundTrip("ContainerStateValue", { state: 2 }), { state: "CONTAINER_EXITED" });
  assert.deepEqual(roundTrip("KeyValue", { key: "k", value: Buffer.from([255]) }), {
    key: "k",
    value: Buffer.from([255]),
  });
});

const misspelt: { title: string; name: string; value: object; error: RegExp }[] = [
  {
    title: "a field in camel case",
    name: "RunPodSandboxRequest",
    value: { config: { metadata: {}, logDirectory: "/x" } },
    error: /RunPodSandboxRequest\.config has no field logDirectory/,
  },
  {
    title: "an unknown enum value in a list",
    name: "PodSandboxConfig",
    value: { port_mappings: [{ protocol: "TCP" }, { protocol: "ICMP" }] },
    error: /PodSandboxConfig\.port_mappings\.protocol has no value ICMP/,
  },
  {
    title: "a field that only v1 has",
    name: "ContainerConfig",
    value: { stop_signal: "SIGNAL_SIGTERM" },
    error: /ContainerConfig has no field stop_signal/,
  },
];
for (const { title, name, value, error } of misspelt) {
  test(`refuses ${title}`, () => assert.throws(() => tableCodec("v1alpha2").encode(name, value), error));
}

/** A server that knows one method of v1alpha2, on bytes: nothing but the client is under test. */
async function byteServer(method: string, handler: handleUnaryCall<Buffer, Buffer>) {
  const server = new Server();
  const bytes = (value: Buffer) => value;
  const path = `/runtime.v1alpha2.RuntimeService/${method}`;
  const definition = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService({ [method]: definition }, { [method]: handler });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

test("calls a method by its path and reads the answer", async (t) => {
  const { address, stop } = await byteServer("Version", ({ request }, callback) => {
    // Field 1, five bytes: "0.1.0". The same bytes serve as the answer.
    assert.equal(request.toString("hex"), "0a05302e312e30");
    callback(null, request);
  });
  t.after(stop);
  const client = tableClient("v1alpha2", address);
  t.after(() => client.close());
  assert.deepEqual(await client.call("RuntimeService", "Version", { version: "0.1.0" }), {
    version: "0.1.0",
    runtime_name: "",
    runtime_version: "",
    runtime_api_version: "",
  });
});

test("rejects with the status that the server gave", async (t) => {
  const { address, stop } = await byteServer("RemoveContainer", (_call, callback) => {
    callback({ code: status.NOT_FOUND, details: "no such container" });
  });
  t.after(stop);
  const client = tableClient("v1alpha2", address);
  t.after(() => client.close());
  const code = (expected: status) => ({ code: expected });
  const remove = client.call("RuntimeService", "RemoveContainer", { container_id: "x" });
  await assert.rejects(remove, { ...code(status.NOT_FOUND), details: "no such container" });
  await assert.rejects(client.call("RuntimeService", "Version", {}), code(status.UNIMPLEMENTED));
});

test("rejects a method that the version does not have, and one that streams", async (t) => {
  const [old, current] = [tableClient("v1alpha2", "127.0.0.1:1"), tableClient("v1", "127.0.0.1:1")];
  t.after(() => [old, current].forEach((client) => client.close()));
  await assert.rejects(
    old.call("RuntimeService", "RuntimeConfig", {}),
    /v1alpha2 has no RuntimeService.Runt/,
  );
  await assert.rejects(current.call("RuntimeService", "GetContainerEvents", {}), /streams/);
});
