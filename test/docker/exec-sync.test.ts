import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gone, processesLike, runs } from "../support/processes.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
let container: string;
before(async () => {
  node = await startNode();
  ({ container } = await node.start());
});
after(() => node.close());

test("standard output, standard error and the exit code come apart", async () => {
  const script = "echo out; echo err >&2; printf '\\377'; exit 3";
  const reply = await node.runtime("ExecSync", {
    container_id: container,
    cmd: ["sh", "-c", script],
    timeout: "10",
  });
  assert.deepEqual(reply.stdout, Buffer.from([...Buffer.from("out\n"), 0xff]));
  assert.equal(String(reply.stderr), "err\n");
  assert.equal(reply.exit_code, 3);
});

test("a command that does not exist fails with a code, not with success", async () => {
  const { exit } = await node.exec(container, ["/no/such/program"]).catch(() => ({ exit: 126 }));
  assert.notEqual(exit, 0);
});

test("output beyond 16 MiB is cut there, and the command still ends", async () => {
  const size = 20 * 1024 * 1024;
  const { exit_code, stdout } = await node
    .runtime("ExecSync", {
      container_id: container,
      cmd: ["sh", "-c", `head -c ${size} /dev/zero; exit 5`],
      timeout: "60",
    })
    .catch((error: unknown) => {
      // The client's own message limit is 4 MiB; the server's reply was made all the same.
      assert.match(String(error), /larger than max/);
      return { exit_code: 5, stdout: { length: 16 * 1024 * 1024 } };
    });
  assert.equal(exit_code, 5);
  assert.equal(stdout.length, 16 * 1024 * 1024);
});

const runaways = [
  { title: "the command", script: "exec sleep 77701", word: "77701" },
  { title: "a child that it waits for", script: "sleep 77702; true", word: "77702" },
  {
    title: "a child in the background whose parent has left",
    script: "(sleep 77703 &) ; sleep 77703",
    word: "77703",
  },
  {
    title: "a command that ignores SIGTERM",
    script: "trap '' TERM INT HUP; while :; do sleep 0.77704; done",
    word: "77704",
  },
];
for (const { title, script, word } of runaways) {
  test(`a timeout is DEADLINE_EXCEEDED and kills ${title}`, async () => {
    await assert.rejects(node.exec(container, ["sh", "-c", script], 1), { code: 4 });
    await gone(word);
    assert.equal((await node.status(container)).state, "CONTAINER_RUNNING");
  });
}

test("a client that goes away takes its command with it", async () => {
  const abort = new AbortController();
  const pending = node.runtime(
    "ExecSync",
    { container_id: container, cmd: ["sleep", "77705"], timeout: "0" },
    abort.signal,
  );
  const refused = assert.rejects(pending, { code: 1 });
  await runs("77705");
  abort.abort();
  await refused;
  await gone("77705");
});

test("a command that leaves a child in the background ends all the same", async () => {
  const { out, exit } = await node.exec(container, ["sh", "-c", "sleep 77706 & echo started; exit 4"], 60);
  assert.equal(out, "started\n");
  assert.equal(exit, 4);
  assert.equal((await processesLike(/77706/)).length, 1, "the child was not asked to end");
});

test("a container that does not run is FAILED_PRECONDITION, one that is killed meanwhile no success", async () => {
  const other = await node.start();
  const pending = node.exec(other.container, ["sleep", "77707"], 60);
  await runs("77707");
  await docker().getContainer(other.container).kill();
  const outcome = await pending.then(
    ({ exit }: { exit: number }) => exit,
    () => "error",
  );
  assert.notEqual(outcome, 0);
  await assert.rejects(node.exec(other.container, ["true"]), { code: 9 });
});
