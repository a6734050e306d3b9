/** What is seen of changes in a real directory of configurations. */
import assert from "node:assert/strict";
import fs, { readdirSync, renameSync, rmSync, writeFileSync, type FSWatcher } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { eventually } from "../../../support/eventually.js";
import { conflist, setUp } from "./conf-directory-support.js";

const changes: { title: string; change: (directory: string) => void; want: string | undefined }[] = [
  {
    title: "a file that is written over",
    change: (directory) => writeFileSync(join(directory, "5.conflist"), conflist("b")),
    want: "b",
  },
  {
    title: "a file in whose place another one is put",
    change: (directory) => {
      writeFileSync(join(directory, "5.conflist.new"), conflist("b"));
      renameSync(join(directory, "5.conflist.new"), join(directory, "5.conflist"));
    },
    want: "b",
  },
  {
    title: "a new file that comes before",
    change: (directory) => writeFileSync(join(directory, "1.conflist"), conflist("b")),
    want: "b",
  },
  {
    title: "a file that is removed",
    change: (directory) => rmSync(join(directory, "5.conflist")),
    want: "c",
  },
  {
    title: "a file that gets a name that counts no more",
    change: (directory) => renameSync(join(directory, "5.conflist"), join(directory, "5.off")),
    want: "c",
  },
  {
    title: "a file that becomes unusable",
    change: (directory) => writeFileSync(join(directory, "5.conflist"), "{"),
    want: "c",
  },
  {
    title: "the last file that is removed",
    change: (directory) => readdirSync(directory).forEach((name) => rmSync(join(directory, name))),
    want: undefined,
  },
  {
    title: "the directory that is removed",
    change: (directory) => rmSync(directory, { recursive: true }),
    want: undefined,
  },
  {
    title: "the directory that is moved away",
    change: (directory) => renameSync(directory, `${directory}.old`),
    want: undefined,
  },
];
for (const { title, change, want } of changes) {
  test(`seen: ${title}`, async (t) => {
    const { directory, becomes } = setUp(t, { "5.conflist": conflist("a"), "9.conflist": conflist("c") });
    await becomes("a");
    change(directory);
    await becomes(want);
  });
}

test("a directory that is removed and made again is seen, and so is what changes in it then", async (t) => {
  const { directory, put, becomes } = setUp(t, { "a.conflist": conflist("a") });
  await becomes("a");
  rmSync(directory, { recursive: true });
  put("a.conflist", conflist("b"));
  await becomes("b");
  put("a.conflist", conflist("c"));
  await becomes("c");
});

test("a folder of plugins is seen when it comes, changes, and goes", async (t) => {
  const { directory, put, types } = setUp(t, { "a.conflist": conflist("pods") });
  const become = (...want: string[]) =>
    eventually(`the plugins are ${want.join()}`, async () => {
      const found = await types().catch(() => []);
      return found.join() === want.join();
    });
  await become("bridge");
  put("pods/10.conf", '{"type":"tuning"}');
  await become("bridge", "tuning");
  put("pods/20.conf", '{"type":"portmap"}');
  await become("bridge", "tuning", "portmap");
  put("pods/10.conf", '{"type":"sbr"}');
  await become("bridge", "sbr", "portmap");
  rmSync(join(directory, "pods/20.conf"));
  await become("bridge", "sbr");
  rmSync(join(directory, "pods"), { recursive: true });
  await become("bridge");
});

test("a plugin that comes while its folder is being read is seen", async (t) => {
  const { directory, put, types } = setUp(t, {
    "a.conflist": conflist("pods"),
    "pods/1.conf": '{"type":"a"}',
  });
  const { readdir } = promises;
  replace(t, promises, "readdir", async (path: string) => {
    const names = await readdir(path);
    if (path === join(directory, "pods") && names.length === 1) put("pods/2.conf", '{"type":"b"}');
    return names;
  });
  await eventually("it is seen", async () => (await types()).join() === "bridge,a,b");
});

test("where nothing can be watched, each question looks again", async (t) => {
  const { confs, put, negotiated, log } = setUp(t, { "a.conflist": conflist("a") });
  replace(t, fs, "watch", () => {
    throw new Error("ENOSPC: System limit for number of file watchers reached");
  });
  assert.equal((await confs.current()).name, "a");
  put("a.conflist", conflist("b"));
  assert.equal((await confs.current()).name, "b");
  assert.deepEqual(negotiated, ["a", "b"]);
  const events = log.entries.map(({ level, event }) => [level, event]);
  assert.deepEqual(events[0], ["debug", "CNI configurations cannot be watched"]);
});

test("no more is watched than the directory and its network's folder, and nothing when it is closed", async (t) => {
  const watching = new Set<FSWatcher>();
  const { watch } = fs;
  replace(t, fs, "watch", (...args: Parameters<typeof watch>) => {
    const watcher = watch(...args);
    watching.add(watcher);
    return watcher.on("close", () => watching.delete(watcher));
  });
  const { confs, put, becomes, types } = setUp(t, { "a.conflist": "{", "a/1.conf": '{"type":"0"}' });
  for (let time = 0; time < 10; time++) await assert.rejects(confs.current());
  assert.equal(watching.size, 1);
  put("a.conflist", conflist("a"));
  await becomes("a");
  for (const type of ["1", "2", "3", "4", "5"]) {
    put("a/1.conf", JSON.stringify({ type }));
    await eventually("it is seen", async () => (await types().catch(() => [])).at(-1) === type);
  }
  assert.equal(watching.size, 2);
  confs.close();
  await nextTurn();
  assert.equal(watching.size, 0);
  await confs.current();
  assert.equal(watching.size, 0);
});

/** Puts a function in the place of one of Node's, for those who have imported it, too, until the test ends. */
function replace<Module extends object>(
  t: TestContext,
  module: Module,
  name: keyof Module,
  by: (...args: never[]) => unknown,
): void {
  const original = module[name];
  t.after(() => {
    module[name] = original;
    syncBuiltinESMExports();
  });
  module[name] = by as Module[typeof name];
  syncBuiltinESMExports();
}
