import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dockerReference,
  normalize,
  parsePullSource,
  parseReference,
  registryOf,
} from "../../../src/images/reference.js";
import { fullId } from "../../support/builders.js";

const hex = fullId("d1");
const digest = `sha256:${hex}`;

/** text, what Docker is asked for, what is pulled, the one spelling */
const named: [string, string, [string, string], string][] = [
  ["busybox:1.36", "busybox:1.36", ["busybox", "1.36"], "docker.io/library/busybox:1.36"],
  ["library/busybox:1", "library/busybox:1", ["library/busybox", "1"], "docker.io/library/busybox:1"],
  ["grafana/loki:2.9.0", "grafana/loki:2.9.0", ["grafana/loki", "2.9.0"], "docker.io/grafana/loki:2.9.0"],
  [
    "docker.io/library/busybox:1",
    "docker.io/library/busybox:1",
    ["docker.io/library/busybox", "1"],
    "docker.io/library/busybox:1",
  ],
  [
    "registry.k8s.io/pause:3.10",
    "registry.k8s.io/pause:3.10",
    ["registry.k8s.io/pause", "3.10"],
    "registry.k8s.io/pause:3.10",
  ],
  ["localhost/app:1", "localhost/app:1", ["localhost/app", "1"], "localhost/app:1"],
  ["localhost:5000/app:1", "localhost:5000/app:1", ["localhost:5000/app", "1"], "localhost:5000/app:1"],
  ["10.0.0.1:5000/a/b/c:1", "10.0.0.1:5000/a/b/c:1", ["10.0.0.1:5000/a/b/c", "1"], "10.0.0.1:5000/a/b/c:1"],
  ["[::1]:5000/app:1", "[::1]:5000/app:1", ["[::1]:5000/app", "1"], "[::1]:5000/app:1"],
  ["[fd00:1::2]/app:1", "[fd00:1::2]/app:1", ["[fd00:1::2]/app", "1"], "[fd00:1::2]/app:1"],
  [`busybox@${digest}`, `busybox@${digest}`, ["busybox", digest], `docker.io/library/busybox@${digest}`],
  [`busybox:1.36@${digest}`, `busybox@${digest}`, ["busybox", digest], `docker.io/library/busybox@${digest}`],
  [`host:5000/a:1@${digest}`, `host:5000/a@${digest}`, ["host:5000/a", digest], `host:5000/a@${digest}`],
  [
    `docker-pullable://busybox@${digest}`,
    `busybox@${digest}`,
    ["busybox", digest],
    `docker.io/library/busybox@${digest}`,
  ],
  ["docker://busybox:1", "busybox:1", ["busybox", "1"], "docker.io/library/busybox:1"],
  [
    "a--b/c_d__e.f:T-a.g_1",
    "a--b/c_d__e.f:T-a.g_1",
    ["a--b/c_d__e.f", "T-a.g_1"],
    "docker.io/a--b/c_d__e.f:T-a.g_1",
  ],
];

for (const [text, asked, [repository, tagOrDigest], spelling] of named) {
  test(`${text} is found, pulled and compared under its own name`, () => {
    assert.equal(dockerReference(text), asked);
    assert.deepEqual(parsePullSource(text), { repository, tagOrDigest });
    assert.equal(normalize(text), spelling);
  });
}

for (const [text, repository] of [
  ["busybox", "busybox"],
  ["localhost:5000/app", "localhost:5000/app"],
  ["registry.k8s.io/pause", "registry.k8s.io/pause"],
  ["docker://busybox", "busybox"],
] as const) {
  test(`${text}, without a tag, pulls latest and nothing else`, () => {
    assert.deepEqual(parsePullSource(text), { repository, tagOrDigest: "latest" });
    assert.equal(normalize(text), normalize(`${text}:latest`));
  });
  test(`${text}, without a tag, is left to Docker, which takes it for latest or for the start of an id`, () => {
    assert.equal(dockerReference(text), repository);
  });
}

test("the start of an id, as crictl prints it, is what Docker is asked for", () => {
  assert.equal(dockerReference("1c35c4412082"), "1c35c4412082");
  assert.equal(dockerReference("sha256:1c35c4412082"), "sha256:1c35c4412082");
});

for (const text of [digest, hex, `docker://${digest}`, `docker://${hex}`, `docker-pullable://${digest}`]) {
  test(`${text.replaceAll(/0{9,}/g, "…")} is an id: found as it is, never pulled`, () => {
    assert.equal(parseReference(text), undefined);
    assert.equal(dockerReference(text), text.replace(/^.*\/\//, ""));
    assert.throws(() => parsePullSource(text), { kind: "invalid" });
  });
}

const rubbish = [
  "",
  " ",
  "Busybox",
  "busybox:",
  "busybox@",
  ":latest",
  `@${digest}`,
  "busybox@sha256:abc",
  `busybox@${hex}`,
  "busybox:tag with space",
  `busybox:${"t".repeat(129)}`,
  "busybox:-tag",
  "http://busybox",
  "docker-pullable://",
  "a//b",
  "/busybox",
  "busybox/",
  "a/b:80/c",
  "host:port/app",
  "host/../etc/passwd",
  "../busybox",
  "a..b",
  "-a",
  "a-",
  "a___b",
  "busybox\n",
  "[::1/app",
  "[gg::1]/app",
  "büsybox",
];
for (const text of rubbish) {
  test(`${JSON.stringify(text.slice(0, 40))} is no reference and cannot be pulled`, () => {
    assert.equal(parseReference(text), undefined);
    assert.throws(() => parsePullSource(text), {
      kind: "invalid",
      message: `image ${JSON.stringify(text)} is not a reference that can be pulled`,
    });
  });
}

test("a tag can have 128 characters", () => {
  assert.equal(parseReference(`busybox:${"t".repeat(128)}`)?.tag?.length, 128);
});

test("a long reference that is nearly right is refused in no time", () => {
  const started = performance.now();
  assert.equal(parseReference(`${"a-".repeat(5000)}/${"a.".repeat(5000)}!`), undefined);
  assert.equal(parseReference(`${"a/".repeat(5000)}A`), undefined);
  assert.ok(performance.now() - started < 1000);
});

for (const [name, registry] of [
  ["busybox", "docker.io"],
  ["busy.box", "docker.io"],
  ["library/busybox", "docker.io"],
  ["docker.io/library/busybox", "docker.io"],
  ["localhost/app", "localhost"],
  ["localhost:5000/app", "localhost:5000"],
  ["host:5000/app", "host:5000"],
  ["registry.k8s.io/pause", "registry.k8s.io"],
  ["ghcr.io/a/b", "ghcr.io"],
  ["[::1]:5000/app", "[::1]:5000"],
  ["Registry/app", "Registry"],
] as const) {
  test(`${name} comes from ${registry}`, () => assert.equal(registryOf(name), registry));
}

test("names that mean the same are spelled the same, and others are not", () => {
  for (const same of ["busybox", "busybox:latest", "library/busybox", "docker.io/busybox:latest"]) {
    assert.equal(normalize(same), "docker.io/library/busybox:latest");
  }
  assert.notEqual(normalize("busybox:1"), normalize("busybox"));
  assert.notEqual(normalize("quay.io/busybox"), normalize("busybox"));
  assert.notEqual(normalize("localhost/busybox"), normalize("busybox"));
  assert.notEqual(normalize(`busybox@${digest}`), normalize("busybox"));
});
