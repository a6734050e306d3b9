import assert from "node:assert/strict";
import { test } from "node:test";
import {
  containerLabels,
  fromLabels,
  kindOf,
  markInherited,
  sandboxLabels,
  type Labels,
} from "../../../src/kube/labels.js";

const logPath = "/var/log/pods/default_web_u-1/app/0.log";
const asSandbox = (labels: Labels, annotations: Labels = {}) => sandboxLabels(labels, annotations);
const asContainer = (labels: Labels, annotations: Labels = {}) =>
  containerLabels(labels, annotations, "5a5a", logPath);

test("a sandbox is stored as dockershim and cri-dockerd store it", () => {
  assert.deepEqual(asSandbox({ "io.kubernetes.pod.name": "web", app: "shop" }, { "example.com/a": "1" }), {
    "io.kubernetes.pod.name": "web",
    app: "shop",
    "annotation.example.com/a": "1",
    "io.kubernetes.docker.type": "podsandbox",
    "io.kubernetes.container.name": "POD",
    "io.kubernetes.docker.runtimehandler": "",
  });
});

test("a sandbox keeps the handler that was asked for, which is no label of the client's", () => {
  const stored = sandboxLabels({ app: "web" }, {}, "gvisor");
  assert.equal(stored["io.kubernetes.docker.runtimehandler"], "gvisor");
  assert.deepEqual(fromLabels(stored), { labels: { app: "web" }, annotations: {} });
});

test("a container is stored as dockershim and cri-dockerd store it", () => {
  assert.deepEqual(
    asContainer({ "io.kubernetes.container.name": "app" }, { "io.kubernetes.restartCount": "2" }),
    {
      "io.kubernetes.container.name": "app",
      "annotation.io.kubernetes.restartCount": "2",
      "io.kubernetes.docker.type": "container",
      "io.kubernetes.sandbox.id": "5a5a",
      "io.kubernetes.container.logpath": logPath,
    },
  );
});

/** Keys that clients may use and that look like something else in storage. */
const awkward: Record<string, Labels> = {
  "ordinary labels": { app: "web", "app.kubernetes.io/name": "web" },
  "an empty value": { app: "" },
  "values with every kind of character": { app: 'a=b,c:\n"d" é 漢 \u0000' },
  "a label that begins like a stored annotation": { "annotation.note": "x" },
  "labels named as our own": {
    "io.kubernetes.docker.type": "container",
    "io.kubernetes.sandbox.id": "mine",
    "io.kubernetes.container.logpath": "/etc/passwd",
    "io.kubernetes.docker.runtimehandler": "mine",
  },
  "the kubelet's container name": { "io.kubernetes.container.name": "app" },
  "a label that begins like an escaped one": {
    "label.annotation.note": "x",
    "label.io.kubernetes.sandbox.id": "y",
  },
  "a label that is escaped twice over": { "label.label.annotation.note": "x" },
  "a label that only begins like an escape": { "label.app": "web", "label.": "z", label: "w" },
  "labels that have a stored form inside": { "my.annotation.x": "1", "my.label.annotation.x": "2" },
  "labels that every JavaScript object seems to have": { ["__proto__"]: "x", constructor: "y" },
  "an escaped and a bare form side by side": { "annotation.a": "1", "label.annotation.a": "2", a: "3" },
};

for (const [title, labels] of Object.entries(awkward)) {
  test(`${title} come back from a sandbox exactly`, () => {
    assert.deepEqual(fromLabels(asSandbox(labels)), { labels, annotations: {} });
  });
  test(`${title} come back from a container exactly`, () => {
    assert.deepEqual(fromLabels(asContainer(labels)), { labels, annotations: {} });
  });
  test(`${title}, as annotations, come back exactly`, () => {
    assert.deepEqual(fromLabels(asSandbox({}, labels)), { labels: {}, annotations: labels });
    assert.deepEqual(fromLabels(asContainer({}, labels)), { labels: {}, annotations: labels });
  });
}

test("the same key as label and as annotation keeps both values", () => {
  const stored = asContainer({ tier: "label" }, { tier: "annotation" });
  assert.deepEqual(fromLabels(stored), { labels: { tier: "label" }, annotations: { tier: "annotation" } });
});

test("a label cannot change what an object is", () => {
  assert.equal(kindOf(asSandbox({ "io.kubernetes.docker.type": "container" })), "podsandbox");
  assert.equal(kindOf(asContainer({ "io.kubernetes.docker.type": "podsandbox" })), "container");
  assert.equal(asContainer({ "io.kubernetes.sandbox.id": "other" })["io.kubernetes.sandbox.id"], "5a5a");
});

/** What an image brings, some of it chosen to be in the way. */
const ofImage = {
  maintainer: "somebody",
  app: "the image's",
  "annotation.note": "the image's",
  "label.annotation.note": "the image's",
  "io.kubernetes.docker.inherited": "rubbish",
  "io.kubernetes.sandbox.id": "rubbish",
};
/** Docker gives a container its image's labels, where it was given none of that name. */
const inDocker = (own: Labels): Labels => ({ ...ofImage, ...markInherited(own, ofImage) });

test("an image's labels are not reported as the client's, and do not replace any", () => {
  const labels = { app: "web", tier: "front" };
  const annotations = { note: "mine" };
  for (const stored of [asSandbox(labels, annotations), asContainer(labels, annotations)]) {
    assert.deepEqual(fromLabels(inDocker(stored)), { labels, annotations });
  }
  assert.deepEqual(fromLabels(inDocker(asContainer({}))), { labels: {}, annotations: {} });
});

test("a label that client and image both have is the client's", () => {
  assert.deepEqual(fromLabels(inDocker(asContainer(ofImage))), { labels: ofImage, annotations: {} });
});

test("with an image without labels nothing is added", () => {
  assert.deepEqual(markInherited(asContainer({ app: "web" }), {}), asContainer({ app: "web" }));
});

for (const rubbish of ["", "rubbish", "{}", "null", "5", "[1,null]"]) {
  test(`a predecessor's container whose image brought "${rubbish}" as our own label is still listed`, () => {
    const stored = { ...asContainer({ app: "web" }), "io.kubernetes.docker.inherited": rubbish };
    assert.deepEqual(fromLabels(stored), { labels: { app: "web" }, annotations: {} });
  });
}

/** Seen on containers that cri-dockerd 0.4 made for a kubelet. */
const predecessors = {
  sandbox: {
    "annotation.kubernetes.io/config.seen": "2024-05-01T10:00:00Z",
    "annotation.kubernetes.io/config.source": "api",
    app: "web",
    "io.kubernetes.container.name": "POD",
    "io.kubernetes.docker.type": "podsandbox",
    "io.kubernetes.pod.name": "web",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": "u-1",
  },
  container: {
    "annotation.io.kubernetes.container.hash": "6bf4c2a6",
    "annotation.io.kubernetes.container.restartCount": "0",
    "io.kubernetes.container.logpath": logPath,
    "io.kubernetes.container.name": "app",
    "io.kubernetes.docker.type": "container",
    "io.kubernetes.pod.name": "web",
    "io.kubernetes.sandbox.id": "5a5a",
  },
};

test("a predecessor's sandbox is reported with its pod's own labels and annotations", () => {
  assert.equal(kindOf(predecessors.sandbox), "podsandbox");
  assert.deepEqual(fromLabels(predecessors.sandbox), {
    labels: {
      app: "web",
      "io.kubernetes.pod.name": "web",
      "io.kubernetes.pod.namespace": "default",
      "io.kubernetes.pod.uid": "u-1",
    },
    annotations: {
      "kubernetes.io/config.seen": "2024-05-01T10:00:00Z",
      "kubernetes.io/config.source": "api",
    },
  });
});

test("a predecessor's container is reported with the container name that the kubelet gave it", () => {
  assert.equal(kindOf(predecessors.container), "container");
  assert.deepEqual(fromLabels(predecessors.container), {
    labels: { "io.kubernetes.container.name": "app", "io.kubernetes.pod.name": "web" },
    annotations: { "io.kubernetes.container.hash": "6bf4c2a6", "io.kubernetes.container.restartCount": "0" },
  });
});

for (const labels of [
  {},
  { app: "web" },
  { "io.kubernetes.docker.type": "" },
  { "io.kubernetes.docker.type": "x" },
]) {
  test(`a container with the labels ${JSON.stringify(labels)} is none of ours`, () => {
    assert.equal(kindOf(labels), undefined);
  });
}
