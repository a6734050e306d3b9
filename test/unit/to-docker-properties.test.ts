import assert from "node:assert/strict";
import { test } from "node:test";
import { parseContainerConfig } from "../../src/containers/spec.js";
import { toContainerOptions } from "../../src/containers/to-docker.js";
import { CriError } from "../../src/errors.js";
import { fromLabels } from "../../src/kube/labels.js";
import { noAccounts, resolveIdentity, type IdentityRequest } from "../../src/linux/identity.js";
import { parseContainerName, parseSandboxName } from "../../src/kube/names.js";
import { parseSandboxConfig } from "../../src/pods/spec.js";
import { toSandboxOptions } from "../../src/pods/to-docker.js";
import { containerConfig, imageFacts, podSandboxConfig, sandboxInspect } from "../support/builders.js";
import { Generate } from "../support/generate.js";

/** Of each kind, for what has to hold always. Requests are frozen, so that no change of one goes unseen. */
const many = 25_000;
/** For what is looked at one by one. */
const seeds = Array.from({ length: 3000 }, (_, seed) => seed);

/** So that writing to it throws; bytes cannot be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

interface Kind<Request, Made> {
  request: (generate: Generate) => Request;
  make: (request: Request) => Made;
}

/** Lets each kind's `make` know the type of its own `request`. */
const kindOf = <Request, Made>(kind: Kind<Request, Made>): Kind<Request, Made> => kind;

/** In an image without files, so that a name is refused. */
const identityOf = (asked: IdentityRequest) =>
  resolveIdentity(asked, { name: "busybox", user: "" }, noAccounts);

const sandbox = kindOf({
  request: (generate: Generate) => ({
    config: podSandboxConfig(generate.podSandboxConfig()),
    host: generate.host(),
    handler: generate.pick(["", "kata"]),
  }),
  make: ({ config, host, handler }) => {
    const spec = parseSandboxConfig(config, handler);
    const network = spec.namespaces.network === "POD" ? { mode: "pods", ports: spec.ports } : undefined;
    const extras = { runtime: handler, identity: identityOf(spec.identity), seccomp: "{}" };
    return toSandboxOptions(spec, imageFacts(), network, host, extras);
  },
});

const container = kindOf({
  request: (generate: Generate) => ({
    config: containerConfig(generate.containerConfig()),
    pod: podSandboxConfig({ logDirectory: generate.pick(["", "/var/log/pods/web", "/"]) }),
    of: sandboxInspect({ HostConfig: { NetworkMode: generate.pick(["bridge", "host", "none"]) } }),
    host: generate.host(),
  }),
  make: ({ config, pod, of, host }) => {
    const spec = parseContainerConfig(config, pod);
    return toContainerOptions(spec, of, imageFacts(), host, {
      identity: identityOf(spec.security.identity),
      seccomp: "{}",
      logDriver: { Type: "json-file", Config: {} },
      mounts: { folder: "/mounts/ab", imageIds: new Map() },
    });
  },
});

/** What becomes of a frozen request; anything that is thrown and no CriError is a bug. */
function outcome<Request, Made>({ request, make }: Kind<Request, Made>, seed: number) {
  const asked = deepFreeze(request(new Generate(seed)));
  try {
    return { seed, asked, made: make(asked) };
  } catch (error) {
    if (error instanceof CriError && error.message !== "") return { seed, asked, refused: error.message };
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
  }
}
const outcomes = <Request, Made>(kind: Kind<Request, Made>) => seeds.map((seed) => outcome(kind, seed));

/** The requests of that kind that were granted, and what was made of them. */
const granted = <Request, Made>(kind: Kind<Request, Made>) =>
  outcomes(kind).filter((found): found is { seed: number; asked: Request; made: Made } => "made" in found);

for (const [what, kind] of [
  ["sandbox", sandbox],
  ["container", container],
] as [string, Kind<unknown, object>][]) {
  test(`whatever ${many} ${what} requests hold, each is granted or refused with a reason, twice the same`, () => {
    let made = 0;
    for (let seed = 0; seed < many; seed++) {
      const first = outcome(kind, seed);
      if ("made" in first) made++;
      assert.deepEqual(outcome(kind, seed), first, `seed ${seed}`);
    }
    // Both must happen often, or this test says little.
    assert.ok(made > many / 10 && made < (many * 9) / 10, `${made} of ${many} granted`);
  });

  test(`what is made of a ${what} request can be sent to Docker as it is`, () => {
    for (const { seed, made } of granted(kind)) {
      assert.deepEqual(JSON.parse(JSON.stringify(made)), made, `seed ${seed}`);
    }
  });
}

test("a sandbox that was made carries its own name, labels and annotations", () => {
  for (const { seed, asked, made } of granted(sandbox)) {
    const { metadata, labels, annotations } = asked.config;
    assert.deepEqual(parseSandboxName(made.name), { ...metadata }, `seed ${seed}`);
    assert.deepEqual(fromLabels(made.Labels ?? {}), { labels, annotations }, `seed ${seed}`);
  }
});

test("a container that was made carries its own name, labels and annotations", () => {
  for (const { seed, asked, made } of granted(container)) {
    const { metadata, labels, annotations } = asked.config;
    assert.deepEqual(parseContainerName(made.name), { ...metadata }, `seed ${seed}`);
    assert.deepEqual(fromLabels(made.Labels ?? {}), { labels, annotations }, `seed ${seed}`);
  }
});
