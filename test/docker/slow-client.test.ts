/** Clients that read slowly: they get everything, and cost no memory. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { exitCodeIn, openCommand, transports } from "../support/command-session.js";
import { eventually } from "../support/eventually.js";
import { startNode, type RealNode } from "../support/real-node.js";
import { usageOf } from "../support/processes.js";
import { spawnServer, type ServerProcess } from "../support/server-process.js";

const mebibyte = 1024 * 1024;
let node: RealNode;
let server: ServerProcess;
let container: string;
before(async () => {
  node = await startNode({}, "v1", async (config) => (server = await spawnServer(config)));
  ({ container } = await node.start());
});
after(() => node.close());

for (const transport of transports) {
  test(`${transport}: a client that stops reading costs less than 64 MiB, and misses nothing`, async () => {
    const cmd = ["dd", "if=/dev/zero", "bs=65536", "count=4096"];
    const wants = { stdout: true, stderr: true };
    const open = async () => {
      const { url } = await node.runtime("Exec", { container_id: container, cmd, ...wants });
      return openCommand(url, transport, wants);
    };
    // Once in full before, so that what is measured is not the program's own warming up.
    const before = await open();
    await Promise.all([before.digest("stdout"), before.status]);
    const idle = (await usageOf(server.pid)).rss;

    const session = await open();
    session.pause();
    let written = -1;
    await eventually("the command is stuck", async () => {
      const last = written;
      written = await bytesWritten();
      return written > mebibyte / 16 && written === last;
    });
    const stuck = (await usageOf(server.pid)).rss;
    assert.ok(stuck < idle + 64, `${stuck} MiB with a stuck client, ${idle} MiB without`);
    const digest = session.digest("stdout");
    session.resume();
    assert.equal((await digest).bytes, 256 * mebibyte);
    assert.equal(exitCodeIn(await session.status), 0);
  });
}

/** How much the command has written so far, as the kernel counts it (proc(5), io: wchar). */
async function bytesWritten(): Promise<number> {
  const script = "for p in /proc/[0-9]*; do grep -q ^dd $p/cmdline && sed -n 's/^wchar: //p' $p/io; done";
  const { out } = await node.exec(container, ["sh", "-c", script]);
  return Number.parseInt(out, 10) || 0;
}
