import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCommand, type Config } from "../../src/config.js";
import { flags, helpText, UsageError } from "../../src/flags.js";

function configOf(...argv: string[]): Config {
  const command = parseCommand(argv);
  assert.ok(command.kind === "run");
  return command.config;
}

test("without flags the server runs with Kubernetes' usual places", () => {
  assert.deepEqual(configOf(), {
    socketPath: "/var/run/dockershim.sock",
    dockerSocketPath: "/var/run/docker.sock",
    rootDirectory: "/var/lib/dockershim",
    sandboxImage: "registry.k8s.io/pause:3.10",
    runtimeHandlers: {},
    networkPlugin: "cni",
    podCidrs: [],
    bridgeMtu: 0,
    cni: {
      confDirectory: "/etc/cni/net.d",
      binDirectories: ["/opt/cni/bin", "/usr/lib/cni"],
      cacheDirectory: "/var/lib/cni/cache",
      timeout: 120_000,
    },
    imagePullProgressDeadline: 60_000,
    runtimeRequestTimeout: 120_000,
    streaming: {
      host: "127.0.0.1",
      port: 0,
      tls: undefined,
      idleTimeout: 14_400_000,
      creationTimeout: 30_000,
    },
    containerLogFormat: "cri",
    metrics: undefined,
    tracing: undefined,
    logLevel: "info",
    ignoredFlags: [],
  });
});

for (const [argument, setting] of [
  ["--container-runtime-endpoint=unix:///run/x.sock", { socketPath: "/run/x.sock" }],
  ["--container-runtime-endpoint=/run/x.sock", { socketPath: "/run/x.sock" }],
  ["--docker-endpoint=unix:///run/d.sock", { dockerSocketPath: "/run/d.sock" }],
  ["--root-directory=/data", { rootDirectory: "/data" }],
  ["--cri-dockerd-root-directory=/data", { rootDirectory: "/data" }],
  ["--pod-infra-container-image=pause:local", { sandboxImage: "pause:local" }],
  ["--runtime-handlers=", { runtimeHandlers: {} }],
  ["--runtime-handlers=gvisor=runsc", { runtimeHandlers: { gvisor: "runsc" } }],
  [
    "--runtime-handlers=gvisor=runsc, kata=kata-runtime",
    { runtimeHandlers: { gvisor: "runsc", kata: "kata-runtime" } },
  ],
  ["--network-plugin=cni", { networkPlugin: "cni" }],
  ["--network-plugin=bridge", { networkPlugin: "bridge" }],
  ["--network-plugin=no-op", { networkPlugin: "bridge" }],
  ["--network-plugin=", { networkPlugin: "bridge" }],
  ["--pod-cidr=10.1.0.0/24", { podCidrs: ["10.1.0.0/24"] }],
  ["--pod-cidr=10.1.0.0/24, fd00::/64", { podCidrs: ["10.1.0.0/24", "fd00::/64"] }],
  ["--pod-cidr=", { podCidrs: [] }],
  ["--network-plugin-mtu=1400", { bridgeMtu: 1400 }],
  ["--image-pull-progress-deadline=90s", { imagePullProgressDeadline: 90_000 }],
  ["--image-pull-progress-deadline=1m30s", { imagePullProgressDeadline: 90_000 }],
  ["--image-pull-progress-deadline=1.5h", { imagePullProgressDeadline: 5_400_000 }],
  ["--image-pull-progress-deadline=250ms", { imagePullProgressDeadline: 250 }],
  ["--image-pull-progress-deadline=1h2m3s4ms", { imagePullProgressDeadline: 3_723_004 }],
  ["--runtime-request-timeout=10s", { runtimeRequestTimeout: 10_000 }],
  ["--container-log-format=docker", { containerLogFormat: "docker" }],
  ["--runtime-request-timeout=0.0005s", { runtimeRequestTimeout: 1 }],
  ["--log-level=error", { logLevel: "error" }],
  ["--log-level=debug", { logLevel: "debug" }],
] as [string, Partial<Config>][]) {
  test(`${argument} changes that setting and no other`, () => {
    assert.deepEqual(configOf(argument), { ...configOf(), ...setting });
  });
}

test("a value can be a word of its own, as unit files have it", () => {
  assert.equal(configOf("--root-directory", "/data").rootDirectory, "/data");
});

test("the same flag twice with one value is one flag", () => {
  assert.equal(configOf("--log-level=warn", "--log-level=warn").logLevel, "warn");
  assert.equal(configOf("--root-directory=/a", "--cri-dockerd-root-directory=/a").rootDirectory, "/a");
});

test("settings cannot be changed once they are read", () => assert.ok(Object.isFrozen(configOf())));

const wrong: [string[], string][] = [
  [["--nope"], "unknown flag --nope"],
  [["--nope=1"], "unknown flag --nope"],
  [["-x"], "unknown flag -x"],
  [["--no-root-directory"], "unknown flag --no-root-directory"],
  [["start"], 'unexpected argument "start"'],
  [["--log-level=info", "--", "x"], 'unexpected argument "x"'],
  [["--root-directory"], "--root-directory needs a value"],
  [["--log-level=info", "--log-level=debug"], '--log-level is given twice, as "info" and "debug"'],
  [
    ["--root-directory=/a", "--cri-dockerd-root-directory=/b"],
    '--root-directory is given twice, as "/a" and "/b"',
  ],
  [["--container-runtime-endpoint=fd://"], "--container-runtime-endpoint=fd://: only unix sockets"],
  [
    ["--container-runtime-endpoint=tcp://0.0.0.0:1"],
    "--container-runtime-endpoint=tcp://0.0.0.0:1: only unix",
  ],
  [
    ["--container-runtime-endpoint=unix://x.sock"],
    "--container-runtime-endpoint=unix://x.sock: only unix sockets",
  ],
  [["--docker-endpoint=x.unix:///run/d.sock"], "--docker-endpoint=x.unix:///run/d.sock: only unix sockets"],
  [["--docker-endpoint="], "--docker-endpoint=: only unix sockets are supported"],
  [["--docker-endpoint=tcp://127.0.0.1:2375"], "--docker-endpoint=tcp://127.0.0.1:2375: only unix sockets"],
  [["--root-directory=var/data"], "--root-directory=var/data: an absolute path is needed"],
  [["--root-directory=data"], "--root-directory=data: an absolute path is needed"],
  [["--pod-infra-container-image="], "--pod-infra-container-image is empty"],
  ...["gvisor", "gvisor=", "=runsc", "a=b,", "a=b=c", ","].map((text): [string[], string] => [
    [`--runtime-handlers=${text}`],
    `--runtime-handlers=${text}: HANDLER=DOCKER_RUNTIME is needed`,
  ]),
  [["--runtime-handlers=a=b,a=c"], '--runtime-handlers=a=b,a=c: the handler "a" is there twice'],
  [["--network-plugin=flannel"], "--network-plugin=flannel: known are cni and bridge"],
  [["--network-plugin=kubenet"], "--network-plugin=kubenet is gone from Kubernetes: use bridge"],
  [["--pod-cidr=10.1.0.0"], '--pod-cidr "10.1.0.0" is not an address range'],
  [["--pod-cidr=10.1.0.0/33"], '--pod-cidr "10.1.0.0/33" is not an address range'],
  [
    ["--pod-cidr=fd00::/64,fd01::/64"],
    '--pod-cidr "fd00::/64,fd01::/64" has more than one range of the same',
  ],
  ...["-1", "67", "65536", "1500x", ""].map((text): [string[], string] => [
    [`--network-plugin-mtu=${text}`],
    `--network-plugin-mtu=${text}: 0, or a number from 68 to 65535 is needed`,
  ]),
  [["--cni-conf-dir=net.d"], "--cni-conf-dir=net.d: an absolute path is needed"],
  [["--cni-bin-dir=/a,b"], "--cni-bin-dir=b: an absolute path is needed"],
  [["--cni-bin-dir="], "--cni-bin-dir=: an absolute path is needed"],
  [["--cni-cache-dir=x"], "--cni-cache-dir=x: an absolute path is needed"],
  [["--cni-timeout=0s"], "--cni-timeout=0s: a duration like 90s or 1m30s is needed"],
  [["--log-level=trace"], "--log-level=trace: known are error, warn, info, debug"],
  ...["", "0", "0s", "10", "-1s", "1d", "s", "1m ", "1 m", "1ms2", "1e3s", "1.s"].map(
    (text): [string[], string] => [
      [`--runtime-request-timeout=${text}`],
      `--runtime-request-timeout=${text}: a duration like 90s or 1m30s is needed`,
    ],
  ),
  ...["", ":80", "host:port", "127.0.0.1:65536", "[::1", "::1:80:", "a:1:2"].map(
    (text): [string[], string] => [
      [`--streaming-bind-addr=${text}`],
      `--streaming-bind-addr=${text}: HOST, HOST:PORT or [IPV6]:PORT is needed`,
    ],
  ),
  [
    ["--streaming-tls-cert-file=/c.pem"],
    "--streaming-tls-cert-file and --streaming-tls-key-file are needed together",
  ],
  [
    ["--streaming-tls-key-file=/k.pem"],
    "--streaming-tls-cert-file and --streaming-tls-key-file are needed together",
  ],
  ...["127.0.0.1", "::1", "9187", ":9187", "127.0.0.1:99999", "::1:9187"].map((text): [string[], string] => [
    [`--metrics-bind-address=${text}`],
    `--metrics-bind-address=${text}: HOST`,
  ]),
  [["--container-log-format=json"], "--container-log-format=json: known are cri and docker"],
  // Longer than Node's timers can wait: they would fire at once.
  [["--image-pull-progress-deadline=600h"], "--image-pull-progress-deadline=600h: at most 596h"],
];
for (const [argv, start] of wrong) {
  test(`${argv.join(" ")} is refused: ${start}…`, () => {
    assert.throws(
      () => parseCommand(argv),
      (error) => error instanceof UsageError && error.message.startsWith(start),
    );
  });
}

test("CNI's places and time limit can be chosen", () => {
  const { cni } = configOf(
    "--cni-conf-dir=/net.d",
    "--cni-bin-dir=/a,/b",
    "--cni-cache-dir=/cache",
    "--cni-timeout=5s",
  );
  const wanted = {
    confDirectory: "/net.d",
    binDirectories: ["/a", "/b"],
    cacheDirectory: "/cache",
    timeout: 5000,
  };
  assert.deepEqual(cni, wanted);
});

for (const flag of [
  "--hairpin-mode=hairpin-veth",
  "--ipv6-dual-stack",
  "--ipv6-dual-stack=true",
  "--runtime-cgroups=/x",
]) {
  test(`${flag}, which predecessors had, is ignored with a reason`, () => {
    const { ignoredFlags, ...config } = configOf(flag);
    const { ignoredFlags: _, ...plain } = configOf();
    assert.deepEqual(config, plain);
    assert.equal(ignoredFlags.length, 1);
    assert.match(ignoredFlags[0] ?? "", new RegExp(`^${flag.split("=")[0]} is ignored: .{20}`));
  });
}

for (const [address, wanted] of [
  ["127.0.0.1", { host: "127.0.0.1", port: 0 }],
  ["10.0.0.1:10010", { host: "10.0.0.1", port: 10010 }],
  ["node.example:443", { host: "node.example", port: 443 }],
  ["::1", { host: "::1", port: 0 }],
  ["[::1]", { host: "::1", port: 0 }],
  ["[fd00::1]:10010", { host: "fd00::1", port: 10010 }],
] as const) {
  test(`--streaming-bind-addr=${address} is ${wanted.host}, port ${wanted.port}`, () => {
    const { host, port } = configOf(`--streaming-bind-addr=${address}`).streaming;
    assert.deepEqual({ host, port }, wanted);
  });
}

for (const [address, wanted] of [
  ["127.0.0.1:9187", { host: "127.0.0.1", port: 9187 }],
  ["localhost:0", { host: "localhost", port: 0 }],
  ["[::1]:9187", { host: "::1", port: 9187 }],
  ["", undefined],
] as const) {
  test(`--metrics-bind-address=${address} is ${wanted ? `${wanted.host}, port ${wanted.port}` : "off"}`, () =>
    assert.deepEqual(configOf(`--metrics-bind-address=${address}`).metrics, wanted));
}

test("the environment's OTEL_ variables turn traces on, and say in the log what is not known", () => {
  const environment = { OTEL_TRACES_EXPORTER: "otlp", OTEL_EXPORTER_OTLP_PROTOCOL: "pigeon" };
  const command = parseCommand([], environment);
  assert.ok(command.kind === "run");
  assert.deepEqual(command.config.tracing, { protocol: "http/protobuf" });
  assert.match(command.config.ignoredFlags.join(), /^OTEL_EXPORTER_OTLP_PROTOCOL=pigeon is ignored/);
});

test("streaming has its times and its certificate from flags", () => {
  const { streaming } = configOf(
    "--streaming-idle-timeout=0",
    "--stream-creation-timeout=5s",
    "--streaming-tls-cert-file=/c.pem",
    "--streaming-tls-key-file=/k.pem",
  );
  assert.deepEqual(streaming, {
    host: "127.0.0.1",
    port: 0,
    tls: { certFile: "/c.pem", keyFile: "/k.pem" },
    idleTimeout: 0,
    creationTimeout: 5_000,
  });
});

for (const [argv, kind] of [
  [["--help"], "help"],
  [["-h"], "help"],
  [["--version"], "version"],
  [["--version", "--help"], "help"],
  [["--log-level=nonsense", "--help"], "help"],
] as [string[], string][]) {
  test(`${argv.join(" ")} asks for the ${kind} only`, () => assert.deepEqual(parseCommand(argv), { kind }));
}

test("the help names every flag with its default and its other names", () => {
  const text = helpText();
  for (const { name, aliases = [], fallback } of flags) {
    assert.ok(text.includes(`--${name}=${fallback}\n`), name);
    for (const alias of aliases) assert.ok(text.includes(`--${alias}`), alias);
  }
});

test("a default that is given as a flag is accepted", () => {
  assert.deepEqual(configOf(...flags.map(({ name, fallback }) => `--${name}=${fallback}`)), configOf());
});
