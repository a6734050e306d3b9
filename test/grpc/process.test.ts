import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { tableClient } from "../support/table-client.js";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "dockershim-process."));
});
after(() => rm(directory, { recursive: true, force: true }));

function start(...flags: string[]) {
  const child = spawn(process.execPath, ["--import", "tsx", main, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (said.err += data.toString()));
  const ended = once(child, "close").then(([code]) => code as number | null);
  /** Resolves when the log has that word, rejects when the process ends without it. */
  const says = (word: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => said.err.includes(word) && resolve();
      child.stderr.on("data", look);
      look();
      void ended.then(() => reject(new Error(`it ended without saying ${word}: ${said.err}`)));
    });
  return { child, said, ended, says };
}

const serverFlags = (socket: string): string[] => [
  `--container-runtime-endpoint=unix://${socket}`,
  `--docker-endpoint=unix://${join(directory, "no-docker.sock")}`,
  `--root-directory=${join(directory, "root")}`,
  "--network-plugin=bridge",
];

test("it serves without Docker, refuses a second process on its socket, and ends with 0 on SIGTERM", async () => {
  const socket = join(directory, "one.sock");
  const first = start(...serverFlags(socket));
  await first.says("serving");
  const client = tableClient("v1", `unix:${socket}`);
  const { status } = (await client.call("RuntimeService", "Status", {})) as {
    status: { conditions: { type: string; status: boolean; reason: string }[] };
  };
  assert.deepEqual(
    status.conditions.map(({ type, status: ready, reason }) => [type, ready, reason]),
    [
      ["RuntimeReady", false, "DockerNotReachable"],
      ["NetworkReady", false, "NetworkNotReady"],
    ],
  );

  const second = start(...serverFlags(socket));
  assert.equal(await second.ended, 1);
  assert.match(second.said.err, /another process serves .*one\.sock/);
  await client.call("RuntimeService", "Status", {});
  client.close();

  first.child.kill("SIGTERM");
  assert.equal(await first.ended, 0);
  assert.ok(!existsSync(socket), "the socket is gone");
});

test("after SIGKILL the socket file is left, and the next process takes its place", async () => {
  const socket = join(directory, "two.sock");
  const first = start(...serverFlags(socket));
  await first.says("serving");
  first.child.kill("SIGKILL");
  await first.ended;
  assert.ok(existsSync(socket));
  const second = start(...serverFlags(socket));
  await second.says("serving");
  second.child.kill("SIGINT");
  assert.equal(await second.ended, 0);
});

const wrong = [
  { title: "an unknown flag", flags: ["--no-such-flag=1"], says: /unknown flag --no-such-flag/ },
  { title: "kubenet", flags: ["--network-plugin=kubenet"], says: /kubenet .*use bridge .* or cni/ },
  {
    title: "a flag given twice",
    flags: ["--log-level=info", "--log-level=debug"],
    says: /--log-level is given twice/,
  },
];
for (const { title, flags, says } of wrong) {
  test(`${title} ends it with exit code 2 and a sentence`, async () => {
    const { ended, said } = start(...flags);
    assert.equal(await ended, 2);
    assert.match(said.err, says);
  });
}

test("--help shows the flags and --version the version, with exit code 0", async () => {
  const help = start("--help");
  const version = start("--version");
  assert.equal(await help.ended, 0);
  assert.match(help.said.out, /--container-runtime-endpoint=unix:/);
  assert.equal(await version.ended, 0);
  assert.match(version.said.out, /^dockershim \d+\.\d+\.\d+\n$/);
});
