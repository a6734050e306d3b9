/** Attach by URL on a real engine, over both transports. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openCommand, success, transports, type Transport, type Wants } from "../support/command-session.js";
import { docker, startNode, type RealNode } from "../support/real-node.js";

let node: RealNode;
before(async () => {
  node = await startNode();
});
after(() => node.close());

const all = { stdin: true, stdout: true, stderr: true };
const terminal = { stdin: true, stdout: true, tty: true };

async function attach(transport: Transport, container: string, wants: Wants = all) {
  const { url } = await node.runtime("Attach", { container_id: container, ...wants });
  return openCommand(url, transport, wants);
}
type Session = Awaited<ReturnType<typeof attach>>;
/** Resolves when the container has said this. */
const says = (session: Session, wanted: string) =>
  new Promise<string>((resolve) =>
    session.follow("stdout", (text) => {
      if (text.includes(wanted)) resolve(text);
    }),
  );

for (const transport of transports) {
  test(`${transport}: with stdin_once the end of the input is the shell's, and nothing it said is lost`, async () => {
    const { container } = await node.start({ command: ["sh"], stdin: true, stdin_once: true });
    const session = await attach(transport, container);
    await session.write("echo out; echo err >&2; sleep 0.2; echo late\n");
    await session.endStdin();
    const [out, err] = await Promise.all([session.text("stdout"), session.text("stderr")]);
    assert.deepEqual([out, err], ["out\nlate\n", "err\n"]);
    assert.deepEqual(pick(await session.status), success);
  });

  test(`${transport}: without stdin_once the shell goes on after the end of one client's input`, async () => {
    const { container } = await node.start({ command: ["sh"], stdin: true });
    const first = await attach(transport, container);
    await first.write("sleep 0.2; echo heard\n");
    await first.endStdin();
    await says(first, "heard");
    first.status.catch(() => undefined);
    first.vanish();

    const second = await attach(transport, container);
    const answer = says(second, "second");
    await second.write("echo second; exit\n");
    await answer;
    assert.deepEqual(pick(await second.status), success);
  });

  test(`${transport}: a terminal gets its size, and every key`, async () => {
    const script =
      "stty raw -echo; until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo ready; " +
      "dd bs=1 count=2 2>/dev/null | od -An -tx1";
    const { container } = await node.start({ command: ["sh", "-c", script], stdin: true, tty: true });
    const session = await attach(transport, container, terminal);
    let seen = "";
    const ready = new Promise<void>((resolve) =>
      session.follow("stdout", (text) => {
        seen = text;
        if (text.includes("ready")) resolve();
      }),
    );
    await session.resize(101, 33);
    await ready;
    await session.write("\x10");
    await session.write("\x11");
    assert.deepEqual(pick(await session.status), success);
    assert.match(seen, /10 11/);
  });

  test(`${transport}: it ends with the container, however that ends`, async () => {
    const { container } = await node.start({
      command: ["sh", "-c", "while :; do echo tick; sleep 0.1; done"],
    });
    const session = await attach(transport, container, { stdout: true, stderr: true });
    await says(session, "tick");
    await docker().getContainer(container).remove({ force: true });
    assert.deepEqual(pick(await session.status), success);
  });
}

/** Older forms have an empty metadata field as well. */
const pick = ({ status }: { status: string }) => ({ status });
