import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError } from "../../../src/errors.js";
import {
  checkNamePart,
  containerName,
  parseContainerName,
  parseSandboxName,
  sandboxName,
  withSuffix,
  type PodMetadata,
} from "../../../src/kube/names.js";

const pods: Record<string, PodMetadata> = {
  "an ordinary pod": { name: "web", namespace: "default", uid: "7d9a", attempt: 0 },
  "a pod whose sandbox was made again": {
    name: "web",
    namespace: "default",
    uid: "7d9a",
    attempt: 4294967295,
  },
  "a name with dots and dashes": {
    name: "web-0.example",
    namespace: "kube-system",
    uid: "a-b-c",
    attempt: 1,
  },
  "a static pod": { name: "etcd-node1", namespace: "kube-system", uid: "0123456789abcdef", attempt: 2 },
};

for (const [title, pod] of Object.entries(pods)) {
  test(`${title} is read back from its sandbox's name`, () => {
    assert.deepEqual(parseSandboxName(sandboxName(pod)), pod);
  });

  test(`${title} gives its containers names that say which container they are`, () => {
    const name = containerName(pod, { name: "app.v1", attempt: 7 });
    assert.deepEqual(parseContainerName(name), { name: "app.v1", attempt: 7 });
  });
}

test("names are those that dockershim and cri-dockerd give", () => {
  const pod = { name: "web", namespace: "default", uid: "u-1", attempt: 3 };
  assert.equal(sandboxName(pod), "k8s_POD_web_default_u-1_3");
  assert.equal(containerName(pod, { name: "app", attempt: 2 }), "k8s_app_web_default_u-1_2");
  assert.equal(withSuffix(sandboxName(pod), "0a1b2c3d"), "k8s_POD_web_default_u-1_3_0a1b2c3d");
});

const pod = { name: "web", namespace: "default", uid: "u-1", attempt: 3 };
for (const [form, name] of [
  ["with Docker's leading slash", "/k8s_POD_web_default_u-1_3"],
  ["with a seventh part", "k8s_POD_web_default_u-1_3_0a1b2c3d"],
  ["with both", "/k8s_POD_web_default_u-1_3_0a1b2c3d"],
]) {
  test(`a sandbox is recognised ${form}`, () => assert.deepEqual(parseSandboxName(name ?? ""), pod));
}

test("a container is recognised with a leading slash and a seventh part", () => {
  assert.deepEqual(parseContainerName("/k8s_app_web_default_u-1_12_deadbeef"), { name: "app", attempt: 12 });
});

for (const [what, name] of [
  ["a name of somebody else", "/postgres"],
  ["nothing", ""],
  ["another prefix", "k9s_POD_web_default_u-1_0"],
  ["too few parts", "k8s_POD_web_default_u-1"],
  ["too many parts", "k8s_POD_web_default_u-1_0_deadbeef_1"],
  ["an attempt that is no number", "k8s_POD_web_default_u-1_x"],
  ["a negative attempt", "k8s_POD_web_default_u-1_-1"],
  ["an empty attempt", "k8s_POD_web_default_u-1_"],
  ["no container part", "k8s__web_default_u-1_0"],
  ["two leading slashes", "//k8s_POD_web_default_u-1_0"],
] as const) {
  test(`${what} is neither a sandbox's nor a container's name`, () => {
    assert.equal(parseSandboxName(name), undefined);
    assert.equal(parseContainerName(name), undefined);
  });
}

test("a sandbox is not taken for a container, nor the other way round", () => {
  assert.equal(parseContainerName("k8s_POD_web_default_u-1_0"), undefined);
  assert.equal(parseSandboxName("k8s_app_web_default_u-1_0"), undefined);
});

for (const good of ["web", "web-0", "a.b", "A1", "-leading-dash", ".hidden", "0"]) {
  test(`a name part can be ${good}`, () => checkNamePart(good, "config.metadata.name"));
}

for (const bad of ["we_b", "we b", "web/0", "wéb", "web\n", "\nweb", "web:1", "$(id)", "web\u0000"]) {
  test(`the name part ${JSON.stringify(bad)} is refused, and the field named`, () => {
    assert.throws(
      () => checkNamePart(bad, "config.metadata.uid"),
      (error) => {
        assert.ok(error instanceof CriError);
        assert.equal(error.kind, "invalid");
        assert.ok(error.message.startsWith(`config.metadata.uid ${JSON.stringify(bad)} `), error.message);
        return true;
      },
    );
  });
}

test("an empty name part is a missing field", () => {
  assert.throws(() => checkNamePart("", "config.metadata.name"), {
    kind: "invalid",
    message: "config.metadata.name is required",
  });
});
