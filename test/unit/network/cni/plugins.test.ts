/** Plugins as real processes: what their ends come to, and where they are found. */
import assert from "node:assert/strict";
import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Plugins, type PluginRun } from "../../../../src/network/cni/plugins.js";
import type { ErrorKind } from "../../../../src/errors.js";
import { recordingLog } from "../../../support/builders.js";
import { makeTestPlugin } from "../../../support/cni-plugin.js";
import { recordingObserver } from "../../../support/recording-observer.js";
import { setUp } from "./plugins-support.js";
import { temporaryFolder } from "./support.js";

const limit = 4 * 1024 * 1024;

test("a run is told of from its beginning to its end, with its error", async (t) => {
  const { directory } = setUp(t);
  const { observer, told } = recordingObserver<PluginRun>();
  const plugins = new Plugins({ directories: [directory], timeoutMs: 60_000, observer, log: recordingLog() });
  t.after(() => plugins.close());
  const environment = { CNI_CONTAINERID: "5a" };
  await plugins.run({ type: "probe", command: "ADD", input: {}, environment });
  const missing = plugins.run({ type: "missing", command: "GC", input: {} });
  const error = await missing.catch((thrown: unknown) => thrown);
  assert.deepEqual(told, [
    { type: "probe", command: "ADD", sandboxId: "5a" },
    { end: undefined },
    { type: "missing", command: "GC" },
    { end: error },
  ]);
});

test("a plugin is told of its command, its attachment and its directories, and of our own environment", async (t) => {
  const directories = [temporaryFolder(t), temporaryFolder(t)];
  const plugin = makeTestPlugin(directories[1]!, "probe");
  plugin.behave("CHECK", 'printf %s "$PATH"');
  const plugins = new Plugins({ directories, timeoutMs: 60_000, log: recordingLog() });
  const input = { name: "pods", deep: [null, 1.5, "ü \u0000\n"] };
  const environment = { CNI_CONTAINERID: "5a", CNI_ARGS: "A=1;B=$(true) 'x'" };
  const printed = await plugins.run({ type: "probe", command: "CHECK", input, environment });
  assert.equal(printed, process.env["PATH"]);
  assert.deepEqual(plugin.calls(), [
    {
      plugin: "probe",
      command: "CHECK",
      environment: { ...environment, CNI_COMMAND: "CHECK", CNI_PATH: directories.join(":") },
      input,
    },
  ]);
});

const answers: { title: string; script: string; want: string }[] = [
  { title: "prints nothing", script: ":", want: "" },
  { title: "prints what is no JSON", script: "echo hello", want: "hello\n" },
  { title: "complains and ends well", script: "echo careful >&2; echo '{}'", want: "{}\n" },
  {
    title: "ends by SIGTERM that it handles",
    script: "trap 'echo bye; exit 0' TERM; kill $$",
    want: "bye\n",
  },
  {
    title: "prints as much as it may",
    script: `head -c ${limit} /dev/zero | tr '\\0' x`,
    want: "x".repeat(limit),
  },
];
for (const { title, script, want } of answers) {
  test(`a plugin that ${title} has succeeded, with what it printed`, async (t) => {
    const { plugin, add } = setUp(t);
    plugin.behave("ADD", script);
    const printed = await add();
    assert.ok(printed === want, `${printed.length} characters: ${printed.slice(0, 100)}`);
  });
}

const printError = (error: object): string => `echo '${JSON.stringify(error)}'; exit 1`;
const failures: { title: string; script: string; kind?: ErrorKind; message: string }[] = [
  { title: "ends with an exit code", script: "exit 3", message: "ended with exit code 3 and said nothing" },
  { title: "is killed", script: "kill -9 $$", message: "was killed by SIGKILL and said nothing" },
  { title: "crashes", script: "echo oops >&2; kill -SEGV $$", message: 'was killed by SIGSEGV: "oops"' },
  {
    title: "complains on stderr",
    script: "echo progress; echo 'no such device' >&2; exit 1",
    message: 'ended with exit code 1: "no such device"',
  },
  {
    title: "complains on stdout",
    script: "echo 'no\nsuch device'; exit 1",
    message: 'ended with exit code 1: "no\\nsuch device"',
  },
  {
    title: "complains at length",
    script: "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1",
    message: `ended with exit code 1: "${"x".repeat(500)}..."`,
  },
  {
    title: "says what is wrong",
    script: `echo ignored >&2; ${printError({ code: 7, msg: "bad config", details: "no subnet" })}`,
    message: "failed: bad config: no subnet",
  },
  {
    title: "says what is wrong, without details",
    script: printError({ cniVersion: "1.0.0", code: 100, msg: "it is full" }),
    message: "failed: it is full",
  },
  {
    title: "asks to be tried again later",
    script: printError({ code: 11, msg: "not now" }),
    kind: "unavailable",
    message: "failed: not now",
  },
  {
    title: "says only half of what is wrong",
    script: printError({ code: 7 }),
    message: 'ended with exit code 1: "{\\"code\\":7}"',
  },
  {
    title: "prints 10 MB",
    script: "head -c 10000000 /dev/zero; exit 0",
    message: "printed more than 4194304 bytes",
  },
  {
    title: "never stops to print",
    script: "exec yes",
    message: "printed more than 4194304 bytes",
  },
  {
    title: "prints one byte too many",
    script: `head -c ${limit + 1} /dev/zero`,
    message: "printed more than 4194304 bytes",
  },
];
for (const { title, script, kind = "internal", message } of failures) {
  test(`a plugin that ${title} has failed, and its name and command are told`, async (t) => {
    const { plugin, add } = setUp(t);
    plugin.behave("ADD", script);
    await assert.rejects(add(), { name: "CriError", kind, message: `CNI plugin "probe" (ADD) ${message}` });
  });
}

/** More than a pipe holds. */
const longInput = { text: "x".repeat(1_000_000) };

test("an input of 1 MB arrives whole", async (t) => {
  const { plugin, plugins } = setUp(t);
  await plugins.run({ type: "probe", command: "DEL", input: longInput });
  assert.deepEqual(plugin.calls()[0]?.input, longInput);
});

for (const [title, script] of [
  ["does not read its input", "exit 0"],
  ["closes its input", "exec <&-; sleep 0.1; exit 0"],
] as const) {
  test(`a plugin that ${title} may still succeed`, async (t) => {
    const { plugin, plugins } = setUp(t);
    plugin.behave("DEL", script, { readsInput: false });
    assert.equal(await plugins.run({ type: "probe", command: "DEL", input: longInput }), "");
    assert.deepEqual(
      plugin.calls().map(({ command, input }) => [command, input]),
      [["DEL", undefined]],
    );
  });
}

test("a plugin that fails before it has read its input has failed with its own words", async (t) => {
  const { plugin, plugins } = setUp(t);
  plugin.behave("DEL", printError({ code: 4, msg: "no netns" }), { readsInput: false });
  await assert.rejects(plugins.run({ type: "probe", command: "DEL", input: longInput }), {
    kind: "internal",
    message: 'CNI plugin "probe" (DEL) failed: no netns',
  });
});

test("runs at the same time each get their own input and output", async (t) => {
  const { plugin, plugins } = setUp(t);
  plugin.behave("ADD", 'cat "$input"');
  const runs = Array.from({ length: 10 }, (_, id) =>
    plugins.run({ type: "probe", command: "ADD", input: { id } }),
  );
  assert.deepEqual(
    (await Promise.all(runs)).map((text) => JSON.parse(text) as unknown),
    runs.map((_, id) => ({ id })),
  );
  assert.equal(plugin.calls().length, runs.length);
});

test("the log tells at debug level how each run ended, and of which pod it was", async (t) => {
  const { plugin, plugins, log } = setUp(t);
  plugin.behave("DEL", "exit 4");
  const call = { type: "probe", command: "DEL", input: {}, environment: { CNI_CONTAINERID: "5a" } } as const;
  await assert.rejects(plugins.run(call));
  const [entry, ...more] = log.entries;
  const { milliseconds, ...fields } = entry?.fields ?? {};
  assert.deepEqual(fields, { plugin: "probe", command: "DEL", sandboxId: "5a", status: 4 });
  assert.equal(typeof milliseconds, "number");
  assert.deepEqual([entry?.level, more], ["debug", []]);
});

const unfit: { title: string; make: (path: string) => void }[] = [
  { title: "is not there", make: () => undefined },
  { title: "is a directory", make: (path) => mkdirSync(path) },
  { title: "may not be executed", make: (path) => writeFileSync(path, "#!/bin/sh\n", { mode: 0o644 }) },
  { title: "is a link to nowhere", make: (path) => symlinkSync("/nowhere", path) },
];
for (const { title, make } of unfit) {
  test(`a plugin that ${title} is looked for in the next directory, and refused where it is in none`, async (t) => {
    const [first, second] = [temporaryFolder(t), temporaryFolder(t)];
    const plugins = new Plugins({ directories: [first, second], timeoutMs: 60_000, log: recordingLog() });
    make(join(first, "probe"));
    const refusal = {
      kind: "failedPrecondition",
      message: `CNI plugin "probe" is not in ${first}, ${second}`,
    };
    await assert.rejects(plugins.find("probe"), refusal);
    await assert.rejects(plugins.run({ type: "probe", command: "ADD", input: {} }), refusal);
    await assert.rejects(plugins.versionsOf("probe", "1.0.0"), refusal);
    const { path } = makeTestPlugin(second, "probe");
    assert.equal(await plugins.find("probe"), path);
  });
}

test("a plugin that is in two directories is run from the first, also when it came there later", async (t) => {
  const [first, second] = [temporaryFolder(t), temporaryFolder(t)];
  const plugins = new Plugins({ directories: [first, second], timeoutMs: 60_000, log: recordingLog() });
  const run = async () => await plugins.run({ type: "probe", command: "ADD", input: {} });
  makeTestPlugin(second, "probe").behave("ADD", "echo second");
  assert.equal(await run(), "second\n");
  const { path, ...plugin } = makeTestPlugin(first, "probe");
  plugin.behave("ADD", "echo first");
  assert.equal(await run(), "first\n");
  chmodSync(path, 0o644);
  assert.equal(await run(), "second\n");
});

test("a plugin whose interpreter is missing cannot be run, and is named", async (t) => {
  const { directory, plugins } = setUp(t);
  writeFileSync(join(directory, "broken"), "#!/nowhere/sh\n", { mode: 0o755 });
  await assert.rejects(plugins.run({ type: "broken", command: "ADD", input: {} }), {
    kind: "internal",
    message: /^CNI plugin "broken" \(ADD\) cannot be run: spawn .*\/broken ENOENT$/,
  });
});

test("a plugin that is being written is run when it has been", async (t) => {
  const { plugin, add } = setUp(t);
  plugin.behave("ADD", "echo done");
  const writer = openSync(plugin.path, "a");
  const run = add();
  // Nothing tells of the first try. Were it not made by now, the plugin would only be run sooner.
  await delay(200);
  closeSync(writer);
  assert.equal(await run, "done\n");
  assert.equal(plugin.calls().length, 1);
});

test("a plugin that is being written all the time has failed after some tries", async (t) => {
  const { plugin, add } = setUp(t);
  const writer = openSync(plugin.path, "a");
  t.after(() => closeSync(writer));
  await assert.rejects(add(), { kind: "internal", message: /^CNI plugin "probe" \(ADD\) .*ETXTBSY/ });
  assert.deepEqual(plugin.calls(), []);
});

test("the wait for a plugin that is being written ends with the client's request", async (t) => {
  const { plugin, add } = setUp(t);
  const writer = openSync(plugin.path, "a");
  t.after(() => closeSync(writer));
  const client = new AbortController();
  const run = add(client.signal);
  await delay(200);
  client.abort();
  await assert.rejects(run, { kind: "cancelled", message: /the client cancelled the request$/ });
});
