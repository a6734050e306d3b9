/** On trees of plain files, as the kernel would show them. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { Kernel } from "../../../src/containers/kernel.js";

const v1 = { cgroupVersion: 1 } as const;
const v2 = { cgroupVersion: 2 } as const;

function tree(t: TestContext, files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), "dockershim-kernel."));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return {
    kernel: new Kernel({ cgroups: join(folder, "cgroup"), proc: join(folder, "proc") }),
    read: (name: string) => readFileSync(join(folder, name), "utf8"),
  };
}

const high = { controller: "memory", name: "memory.high", text: "42", optional: false };

test("files of version 2 are written in the process's one cgroup", async (t) => {
  const { kernel, read } = tree(t, { "proc/7/cgroup": "0::/pod/c\n", "cgroup/pod/c/memory.high": "max" });
  await kernel.writeCgroupFiles(7, [high], v2);
  assert.equal(read("cgroup/pod/c/memory.high"), "42");
});

test("files of version 1 are written in their controller's hierarchy", async (t) => {
  const huge = { controller: "hugetlb", name: "hugetlb.2MB.limit_in_bytes", text: "0", optional: true };
  const { kernel, read } = tree(t, {
    "proc/7/cgroup": "9:hugetlb:/pod/c\n4:memory:/pod/other\n",
    "cgroup/hugetlb/pod/c/hugetlb.2MB.limit_in_bytes": "9223372036854771712",
  });
  await kernel.writeCgroupFiles(7, [huge], v1);
  assert.equal(read("cgroup/hugetlb/pod/c/hugetlb.2MB.limit_in_bytes"), "0");
});

test("a file that this host does not have is an error with its name, unless it is optional", async (t) => {
  const { kernel } = tree(t, { "proc/7/cgroup": "0::/pod/c\n", "cgroup/pod/c/memory.max": "max" });
  await kernel.writeCgroupFiles(7, [{ ...high, optional: true }], v2);
  await assert.rejects(kernel.writeCgroupFiles(7, [high], v2), {
    kind: "failedPrecondition",
    message: "this host's cgroups have no memory.high",
  });
});

test("what the kernel refuses is told with the file and the text", async (t) => {
  const { kernel } = tree(t, { "proc/7/cgroup": "0::/pod/c\n", "cgroup/pod/c/memory.high/x": "" });
  await assert.rejects(kernel.writeCgroupFiles(7, [high], v2), {
    kind: "internal",
    message: /^memory\.high cannot be "42": /,
  });
});

test("a process that has gone is told as such", async (t) => {
  const { kernel } = tree(t, {});
  await assert.rejects(kernel.writeCgroupFiles(7, [high], v2), { kind: "failedPrecondition" });
});

test("every process of a container gets the oom_score_adj, and one that has just ended is left out", async (t) => {
  const { kernel, read } = tree(t, {
    "proc/7/cgroup": "0::/pod/c\n",
    "proc/7/oom_score_adj": "0",
    "proc/8/oom_score_adj": "0",
    "cgroup/pod/c/cgroup.procs": "7\n8\n9\n",
  });
  await kernel.setOomScoreAdj(7, 300, v2);
  assert.deepEqual([read("proc/7/oom_score_adj"), read("proc/8/oom_score_adj")], ["300", "300"]);
});
