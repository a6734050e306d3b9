import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CriError } from "../../../src/errors.js";
import { makeMetrics, type MetricSources } from "../../../src/observability/metrics.js";

const sources: MetricSources = {
  version: "1.2.3",
  entries: (kind) => (kind === "podsandbox" ? 2 : 5),
  health: { reason: undefined, ageSeconds: 0, resyncs: 3 },
  logProgress: () =>
    Promise.resolve({
      lines: 7,
      bytes: 70,
      gaps: 1,
      damaged: 2,
      followed: 4,
      stalled: 1,
      behindBytes: 99,
    }),
};
const samplesOf = async (metrics: { text: () => Promise<string> }): Promise<string[]> =>
  (await metrics.text()).split("\n").filter((line) => line.startsWith("dockershim_"));

test("what was looked at is told as it is now, however often it is asked for", async () => {
  const metrics = makeMetrics(sources);
  await metrics.text();
  const samples = await samplesOf(metrics);
  for (const sample of [
    'dockershim_inventory_entries{kind="podsandbox"} 2',
    'dockershim_inventory_entries{kind="container"} 5',
    "dockershim_inventory_resyncs_total 3",
    "dockershim_inventory_complete 1",
    "dockershim_logs_followed 4",
    "dockershim_logs_stalled 1",
    "dockershim_logs_behind_bytes 99",
    "dockershim_log_lines_total 7",
    "dockershim_log_written_bytes_total 70",
    "dockershim_log_gaps_total 1",
    "dockershim_log_damaged_entries_total 2",
  ]) {
    assert.ok(samples.includes(sample), sample);
  }
});

const end = new AbortController();
after(() => end.abort());
for (const [title, logProgress] of [
  ["a program that writes no logs", () => Promise.resolve(undefined)],
  ["a log thread that is being closed", () => Promise.reject(new CriError("unavailable", "closed"))],
  ["a log thread that hangs", () => delay(600_000, undefined, { signal: end.signal })],
] as const) {
  test(`${title} has no numbers of logs, and all the others`, async () => {
    const samples = await samplesOf(makeMetrics({ ...sources, logProgress }));
    assert.deepEqual(
      samples.filter((line) => line.startsWith("dockershim_log")),
      [],
    );
    assert.ok(samples.includes("dockershim_inventory_complete 1"));
  });
}

test("a plugin's runs are told by plugin, command and result", async () => {
  const metrics = makeMetrics(sources);
  metrics.plugins.started({ type: "bridge", command: "ADD", sandboxId: "5a" }).ended(undefined);
  metrics.plugins.started({ type: "bridge", command: "ADD" }).ended(new CriError("deadline", "slow"));
  metrics.plugins.started({ type: "bridge", command: "DEL" }).ended(new Error("a bug"));
  const counts = (await samplesOf(metrics)).filter((line) => line.includes("plugin_duration_seconds_count"));
  const start = 'dockershim_cni_plugin_duration_seconds_count{plugin="bridge"';
  assert.deepEqual(counts, [
    `${start},command="ADD",result="ok"} 1`,
    `${start},command="ADD",result="deadline"} 1`,
    `${start},command="DEL",result="internal"} 1`,
  ]);
});

test("README lists every metric of this program", async () => {
  const text = await makeMetrics(sources).text();
  const names = [...text.matchAll(/^# TYPE (dockershim_\w+) /gm)].map(([, name]) => name);
  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const listed = [...readme.matchAll(/^\| `(dockershim_\w+)`/gm)].map(([, name]) => name);
  assert.deepEqual(listed.sort(), names.sort());
});
