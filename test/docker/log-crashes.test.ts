/**
 * Numbered lines from many containers while the server is killed again and again, Docker rotates its files and the
 * kubelet rotates ours: every number must be in the CRI files, once and in order.
 */
import assert from "node:assert/strict";
import { access, readdir, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../../src/config.js";
import { fractions } from "../support/random.js";
import { eventually } from "../support/eventually.js";
import { startNode, type RealNode } from "../support/real-node.js";
import { spawnServer, type ServerProcess } from "../support/server-process.js";

const containers = 20;
const kills = 30;
const seed = Number(process.env["CRASH_SEED"] ?? Date.now() % 2 ** 31);

let node: RealNode;
let server: ServerProcess;
let config: Config;
before(async () => {
  node = await startNode({}, "v1", async (given) => {
    config = given;
    server = await spawnServer(given, { built: true });
    return { close: () => server.close() };
  });
});
after(() => node.close());

const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

interface Rate {
  /** Bytes in each line beside its number. */
  padding: number;
  /** Seconds after 25 lines. */
  pause: number;
}

/** One of a MB/s, which fills a file of Docker's in a quarter of a minute, and one that is a container's usual talk. */
const loud: Rate = { padding: 2000, pause: 0.05 };
const quiet: Rate = { padding: 20, pause: 0.25 };

/** Lines at a steady rate, and an end when it is told to. */
const writer = ({ padding, pause }: Rate): string =>
  `pad=$(head -c ${padding} /dev/zero | tr '\\0' x); trap 'stop=1' TERM; i=0; ` +
  'while [ -z "$stop" ]; do i=$((i+1)); echo "$i $pad"; [ $((i % 25)) -ne 0 ] || ' +
  `sleep ${pause}; done; echo "last $i"`;

test(`20 containers, 30 kills, both rotations: every line once and in order (CRASH_SEED=${seed})`, async () => {
  const random = fractions(seed);
  const pods = await Promise.all(
    Array.from({ length: containers }, async (_, index) => {
      const log_path = `writer-${index}.log`;
      const rate = index < 2 ? loud : quiet;
      const { padding } = rate;
      const command = ["sh", "-c", writer(rate)];
      // Of either kind some have a terminal.
      const { container } = await node.start({ command, log_path, tty: index % 2 === 0 });
      return { container, padding, path: join(node.directory, "logs", log_path), rotations: 0 };
    }),
  );

  /** As the kubelet does it: rename, then reopen; if that fails, rename back. */
  const rotate = async (pod: (typeof pods)[number]): Promise<void> => {
    const rotated = `${pod.path}.${String(++pod.rotations).padStart(3, "0")}`;
    await rename(pod.path, rotated);
    try {
      await node.runtime("ReopenContainerLog", { container_id: pod.container });
    } catch {
      if (!(await succeeds(access(pod.path)))) await rename(rotated, pod.path);
    }
  };

  const complaints: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    // Random moments are the point here: nothing is awaited.
    await delay(random() * 400);
    const rotating = pods.filter(() => random() < 0.2).map(rotate);
    if (random() < 0.5) await Promise.all(rotating);
    await server.kill();
    complaints.push(...complaintsIn(server));
    await Promise.all(rotating);
    await delay(random() * 300);
    server = await spawnServer(config, { built: true });
    // A server that has listed the containers follows them; one that never gets there would let Docker drop lines.
    await eventually("the server knows its containers", () => succeeds(node.runtime("ListContainers", {})));
  }

  const stop = ({ container }: (typeof pods)[number]) =>
    node.runtime("StopContainer", { container_id: container, timeout: "10" });
  await Promise.all(pods.map(stop));
  complaints.push(...complaintsIn(server));
  assert.deepEqual(complaints, [], "the servers told of trouble");
  for (const { container, path, padding } of pods) {
    assert.equal((await node.status(container)).state, "CONTAINER_EXITED");
    await checkLines(path, padding);
  }
});

/** Warnings about logs: gaps, damaged entries, positions that cannot be read. */
const complaintsIn = (server: ServerProcess): string[] =>
  server
    .log()
    .split("\n")
    .filter((line) => / (WARN|ERROR) .*part=logs/.test(line));

async function checkLines(path: string, padding: number): Promise<void> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${basename(path)}.`)).sort();
  const files = [...names, basename(path)];
  let expected = 1;
  let last = "";
  for (const name of files) {
    const text = await readFile(join(folder, name), "latin1");
    for (const line of text.split("\n").slice(0, -1)) {
      assert.match(line.slice(0, 60), /^\d{4}-\d\d-\d\dT\S+Z stdout F /, `${name}: a torn line`);
      const said = line.slice(line.indexOf(" F ") + 3).trimEnd();
      if (said.startsWith("last ")) {
        last = said;
        continue;
      }
      const number = Number(said.slice(0, said.indexOf(" ")));
      assert.equal(number, expected, `${name}: line ${number} where ${expected} was to come`);
      assert.equal(said.length, String(number).length + 1 + padding, `${name}: line ${number} is cut`);
      expected++;
    }
    assert.ok(text === "" || text.endsWith("\n"), `${name} ends inside a line`);
  }
  assert.equal(last, `last ${expected - 1}`, "the last line is missing");
}
