import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { docker, dockerSocket } from "../support/real-node.js";

const quickstart = fileURLToPath(new URL("../../scripts/quickstart", import.meta.url));

test("the quickstart shows each step of a pod's life and leaves neither pod nor server", async () => {
  const directory = await mkdtemp(join(tmpdir(), "quickstart-test."));
  const socket = join(directory, "cri.sock");
  try {
    const before = await docker().listContainers({ all: true });
    const flags = ["--docker-endpoint", `unix://${dockerSocket()}`, "--socket", socket];
    const { stdout } = await promisify(execFile)(quickstart, flags);
    const steps = [...stdout.matchAll(/^==> (\w+)/gm)].map(([, name]) => name);
    const life = ["RunPodSandbox", "CreateContainer", "StartContainer", "ExecSync", "its", "StopContainer"];
    const end = ["RemoveContainer", "StopPodSandbox", "RemovePodSandbox"];
    assert.deepEqual(steps.slice(steps.indexOf("RunPodSandbox")), [...life, ...end]);
    assert.match(stdout, /hello from hello/);
    assert.match(stdout, new RegExp(`crictl --runtime-endpoint unix://${socket}`));
    assert.match(stdout, new RegExp(`--container-runtime-endpoint=unix://${socket}`));
    assert.ok(!existsSync(socket), "the server is gone");
    assert.equal((await docker().listContainers({ all: true })).length, before.length);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("a quickstart that cannot serve ends with an error and the server's own words", async () => {
  const flags = ["--docker-endpoint", `unix://${dockerSocket()}`, "--socket", "/etc/passwd/cri.sock"];
  const failure = await promisify(execFile)(quickstart, flags).then(
    () => assert.fail("it succeeded"),
    (error: { code: number; stdout: string }) => error,
  );
  assert.equal(failure.code, 1);
  assert.match(failure.stdout, /start the server \.\.\.[ .]* failed/);
  assert.match(failure.stdout, /cannot go on .*\/etc\/passwd/);
});
