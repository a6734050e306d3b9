/** Plugins that do not end by themselves, and what they leave behind. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { eventually } from "../../../support/eventually.js";
import { gone, processesLike, runs } from "../../../support/processes.js";
import { setUp, uniqueSleep } from "./plugins-support.js";

/** Fires instead of the timer, when a test says that the time is over. */
function manualTimeout(t: TestContext): AbortController {
  const late = new AbortController();
  t.mock.method(AbortSignal, "timeout", () => late.signal);
  return late;
}

const ends = [
  {
    title: "its time is over",
    kind: "deadline",
    message: "did not end within 60 s",
    end: ({ late }: { late: AbortController }) => late.abort(),
  },
  {
    title: "the client gives up",
    kind: "cancelled",
    message: "was ended: the client cancelled the request",
    end: ({ client }: { client: AbortController }) => client.abort(),
  },
  {
    title: "the server stops",
    kind: "cancelled",
    message: "was ended: the server is stopping",
    end: ({ plugins }: { plugins: { close: () => void } }) => plugins.close(),
  },
];
const hangs = [
  { title: "waits for its own plugin", script: (sleep: string) => `sh -c '${sleep}; :'; exit 0` },
  { title: "ignores what can be ignored", script: (sleep: string) => `trap '' INT TERM HUP; ${sleep}; :` },
  {
    title: "has closed its output and input",
    script: (sleep: string) => `exec <&- >&- 2>&-; ${sleep}; exit 0`,
  },
];
for (const { title, kind, message, end } of ends) {
  for (const hang of hangs) {
    test(`when ${title}, a plugin that ${hang.title} is killed with all that it started`, async (t) => {
      const late = manualTimeout(t);
      const { plugin, plugins, add } = setUp(t);
      const sleep = uniqueSleep(t);
      plugin.behave("ADD", hang.script(sleep));
      const client = new AbortController();
      const run = assert.rejects(add(client.signal), {
        name: "CriError",
        kind,
        message: `CNI plugin "probe" (ADD) ${message}`,
      });
      await runs(`^${sleep}$`);
      end({ late, client, plugins });
      await run;
      await gone(sleep);
    });
  }
}

test("a plugin may take no longer than the limit", async (t) => {
  const { plugin, add } = setUp(t, { timeoutMs: 50 });
  const sleep = uniqueSleep(t);
  plugin.behave("ADD", `exec ${sleep}`);
  await assert.rejects(add(), {
    kind: "deadline",
    message: 'CNI plugin "probe" (ADD) did not end within 0.05 s',
  });
  await gone(sleep);
});

test("when the server stops, every plugin that runs is ended", async (t) => {
  const { plugin, plugins, add } = setUp(t);
  const sleep = uniqueSleep(t);
  plugin.behave("ADD", sleep);
  const running = Array.from({ length: 5 }, () => assert.rejects(add(), { kind: "cancelled" }));
  await eventually("all run", async () => (await processesLike(new RegExp(`^${sleep}$`))).length === 5);
  plugins.close();
  await Promise.all(running);
  await gone(sleep);
});

test("after the server has stopped, and for a client that has gone, no plugin is started", async (t) => {
  const { plugin, plugins, add } = setUp(t);
  await assert.rejects(add(AbortSignal.abort()), { kind: "cancelled", message: /the client cancelled/ });
  plugins.close();
  await assert.rejects(add(), { kind: "cancelled", message: /the server is stopping/ });
  assert.deepEqual(plugin.calls(), []);
});

test("a client that goes when its plugin has ended does no harm to the next run", async (t) => {
  const { plugin, add } = setUp(t);
  plugin.behave("ADD", "echo done");
  const client = new AbortController();
  assert.equal(await add(client.signal), "done\n");
  client.abort();
  assert.equal(await add(), "done\n");
});

for (const [title, script] of [
  ["in the plugin's process group", (sleep: string) => `${sleep} & echo '{"left":"a daemon"}'; exit 0`],
  ["in a session of its own", (sleep: string) => `setsid ${sleep} & echo '{"left":"a daemon"}'; exit 0`],
] as const) {
  test(`a daemon left behind ${title} that holds the output keeps nobody waiting, and lives on`, async (t) => {
    const { plugin, add } = setUp(t);
    const sleep = uniqueSleep(t);
    plugin.behave("ADD", script(sleep));
    assert.equal(await add(), '{"left":"a daemon"}\n');
    await runs(`^${sleep}$`);
  });
}

test("a plugin that fails and leaves a daemon behind has failed with its own words", async (t) => {
  const { plugin, add } = setUp(t);
  const sleep = uniqueSleep(t);
  plugin.behave("ADD", `${sleep} & echo '{"code":7,"msg":"no"}'; exit 1`);
  await assert.rejects(add(), { kind: "internal", message: 'CNI plugin "probe" (ADD) failed: no' });
});
