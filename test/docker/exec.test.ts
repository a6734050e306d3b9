/** Exec by URL on a real engine, over both transports. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  exitCodeIn,
  openCommand,
  transports,
  type Transport,
  type Wants,
} from "../support/command-session.js";
import { gone, runs } from "../support/processes.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";

const mebibyte = 1024 * 1024;
let node: RealNode;
let container: string;
before(async () => {
  node = await startNode();
  ({ container } = await node.start());
});
after(() => node.close());

async function exec(transport: Transport, cmd: string[], wants: Wants, id = container) {
  const { url } = await node.runtime("Exec", { container_id: id, cmd, ...wants });
  return openCommand(url, transport, wants);
}
const output = { stdout: true, stderr: true };

for (const transport of transports) {
  test(`${transport}: output, errors and the exit code come apart`, async () => {
    const session = await exec(transport, ["sh", "-c", "echo out; echo err >&2; exit 3"], output);
    const [out, err, status] = await Promise.all([
      session.text("stdout"),
      session.text("stderr"),
      session.status,
    ]);
    assert.deepEqual([out, err, exitCodeIn(status)], ["out\n", "err\n", 3]);
  });

  test(`${transport}: a program that does not exist is a failure with a text`, async () => {
    const session = await exec(transport, ["/no/such/program"], output);
    const [out, status] = await Promise.all([session.text("stdout"), session.status]);
    assert.match(out, /no such file or directory/);
    assert.ok([126, 127].includes(exitCodeIn(status) ?? 0), JSON.stringify(status));
  });

  test(`${transport}: 256 MiB of output arrive byte for byte`, async () => {
    const script = "for i in $(seq 32); do cat /random; done";
    await node.exec(container, ["sh", "-c", `head -c ${8 * mebibyte} /dev/urandom >/random`]);
    const { out: wanted } = await node.exec(container, ["sh", "-c", `(${script}) | sha256sum`], 120);
    const session = await exec(transport, ["sh", "-c", script], output);
    const [digest, status] = await Promise.all([session.digest("stdout"), session.status]);
    assert.deepEqual(digest, { bytes: 256 * mebibyte, sha256: wanted.split(" ")[0] });
    assert.equal(exitCodeIn(status), 0);
  });

  test(`${transport}: 256 MiB of input arrive byte for byte, and their end`, async () => {
    const session = await exec(transport, ["sha256sum"], { stdin: true, ...output });
    const answer = session.text("stdout");
    const piece = randomBytes(8 * mebibyte);
    const hash = createHash("sha256");
    for (let round = 0; round < 32; round++) {
      hash.update(piece);
      await session.write(piece);
    }
    await session.endStdin();
    assert.equal((await answer).split(" ")[0], hash.digest("hex"));
    assert.equal(exitCodeIn(await session.status), 0);
  });

  test(`${transport}: what a command says after the end of its input is not lost`, async () => {
    const wants = { stdin: true, ...output };
    const session = await exec(transport, ["sh", "-c", "cat; sleep 0.2; echo done; echo late >&2"], wants);
    await session.write("typed ");
    await session.endStdin();
    assert.equal(await session.text("stdout"), "typed done\n");
    assert.equal(await session.text("stderr"), "late\n");
    assert.equal(exitCodeIn(await session.status), 0);
  });

  test(`${transport}: a command that does not read its input ends all the same`, async () => {
    const session = await exec(transport, ["true"], { stdin: true, ...output });
    assert.equal(exitCodeIn(await session.status), 0);
  });

  test(`${transport}: a command that ends with most of its input unread has its output and exit code`, async () => {
    const session = await exec(transport, ["sh", "-c", "head -n 1; exit 4"], { stdin: true, ...output });
    const written = session.write("y\n".repeat(4 * mebibyte)).catch(() => undefined);
    assert.equal(await session.text("stdout"), "y\n");
    assert.equal(exitCodeIn(await session.status), 4);
    await written;
  });

  const terminal = { stdin: true, stdout: true, tty: true };
  test(`${transport}: a terminal has the latest of the sizes from before its start, and later ones`, async () => {
    const script =
      "until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo first; " +
      "until [ \"$(stty size)\" = '44 102' ]; do sleep 0.05; done; echo second";
    const session = await exec(transport, ["sh", "-c", script], terminal);
    await session.resize(80, 24);
    await session.resize(101, 33);
    await new Promise<void>((resolve) =>
      session.follow("stdout", (text) => {
        if (text.includes("first")) resolve();
      }),
    );
    await session.resize(102, 44);
    assert.equal(exitCodeIn(await session.status), 0);
  });

  test(`${transport}: ctrl-p ctrl-q reach the program on a terminal`, async () => {
    const script = "stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tx1";
    const session = await exec(transport, ["sh", "-c", script], terminal);
    let seen = "";
    await new Promise<void>((resolve) =>
      session.follow("stdout", (text) => {
        if (text.includes("ready")) resolve();
        seen = text;
      }),
    );
    await session.write("\x10");
    await session.write("\x11");
    assert.equal(exitCodeIn(await session.status), 0);
    assert.match(seen, /10 11/);
  });

  test(`${transport}: a container that is killed meanwhile is a failure`, async () => {
    const { container: victim } = await node.start();
    const word = `cat /proc/self/stat ${transport} victim`;
    const session = await exec(transport, ["sh", "-c", `echo up; sleep 1000 # ${word}`], output, victim);
    const up = new Promise<void>((resolve) => session.follow("stdout", () => resolve()));
    await up;
    await docker().getContainer(victim).kill();
    const status = await session.status;
    assert.equal(status.status, "Failure", JSON.stringify(status));
    assert.notEqual(exitCodeIn(status), 0);
  });

  test(`${transport}: when the client vanishes, the command's input ends`, async () => {
    const word = `vanished-${transport}-${process.pid}`;
    const session = await exec(transport, ["sh", "-c", `cat >/dev/null; : ${word}`], {
      stdin: true,
      ...output,
    });
    session.status.catch(() => undefined);
    await runs(word);
    session.vanish();
    await gone(word);
  });

  test(`${transport}: when the client vanishes, what runs on its terminal is hung up`, async () => {
    const word = `hung-up-${transport}-${process.pid}`;
    const session = await exec(transport, ["sh", "-c", `sleep 1000; : ${word}`], terminal);
    session.status.catch(() => undefined);
    await runs(word);
    session.vanish();
    await gone(word);
  });
}
