/** Both versions tell the same metrics from different files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { samplesV1 } from "../../../src/metrics/cgroup-v1.js";
import { samplesV2 } from "../../../src/metrics/cgroup-v2.js";
import type { Sample } from "../../../src/metrics/sample.js";
import { texts } from "../stats/texts.js";
import { filesOfV1, filesOfV2 } from "./texts.js";

const deviceName = (number: string) => (number === "8:0" ? "/dev/sda" : number);

/** As in Prometheus's text form, without "container_". */
const toLine = ({ name, labels, value }: Sample): string =>
  `${name.replace("container_", "")}${labels.length > 0 ? `{${labels.join(",")}}` : ""} ${value}`;

const both = [
  ...["cpu_usage_seconds_total{total} 5", "cpu_cfs_periods_total 50", "cpu_cfs_throttled_periods_total 20"],
  ...["cpu_cfs_throttled_seconds_total 3", "cpu_cfs_burst_periods_total 2", "cpu_cfs_burst_seconds_total 1"],
  ...["memory_usage_bytes 10000000", "memory_working_set_bytes 4000000", "memory_max_usage_bytes 12000000"],
  ...["memory_rss 3000000", "memory_cache 7000000", "memory_mapped_file 5000", "memory_kernel_usage 70000"],
  ...["memory_swap 4096", "memory_failcnt 9", "oom_events_total 3"],
  ...["memory_failures_total{pgfault,hierarchy} 1234", "memory_failures_total{pgmajfault,hierarchy} 5"],
  ...["memory_total_active_file_bytes 1000", "memory_total_inactive_file_bytes 6000000"],
  ...["memory_file_dirty_bytes 8192", "memory_file_writeback_bytes 0"],
  ...["hugetlb_usage_bytes{2MB} 2097152", "hugetlb_failcnt{2MB} 1"],
  ...["threads 7", "spec_cpu_period 100000", "spec_cpu_quota 20000"],
  ...["spec_memory_limit_bytes 67108864"],
  ...["fs_reads_bytes_total{/dev/sda} 4096", "fs_reads_total{/dev/sda} 1"],
  ...["blkio_device_usage_total{/dev/sda,8,0,Read} 4096"],
];
const v1 = [
  ...both,
  ...["cpu_user_seconds_total 3", "cpu_system_seconds_total 1"],
  ...["memory_failures_total{pgfault,container} 900", "memory_failures_total{pgmajfault,container} 4"],
  ...["hugetlb_max_usage_bytes{2MB} 4194304", "threads_max 0", "spec_cpu_shares 1024"],
  ...["spec_memory_reservation_limit_bytes 0", "spec_memory_swap_limit_bytes 100663296"],
  ...["fs_writes_bytes_total{/dev/sda} 0", "fs_writes_total{/dev/sda} 0"],
  ...["blkio_device_usage_total{/dev/sda,8,0,Write} 0", "blkio_device_usage_total{/dev/sda,8,0,Total} 4096"],
];
const v2 = [
  ...both,
  ...["cpu_user_seconds_total 4", "cpu_system_seconds_total 1"],
  ...["memory_failures_total{pgfault,container} 1234", "memory_failures_total{pgmajfault,container} 5"],
  ...["memory_events_high_total 6", "memory_events_max_total 9"],
  ...["memory_pgscan_total 11", "memory_pgsteal_total 10"],
  ...["memory_workingset_refault_file_total 2", "memory_workingset_refault_anon_total 1"],
  ...["threads_max 100", "spec_cpu_shares 998"],
  ...["spec_memory_reservation_limit_bytes 1000000", "spec_memory_swap_limit_bytes 33554432"],
  ...["fs_writes_bytes_total{/dev/sda} 8192", "fs_writes_total{/dev/sda} 2"],
  ...["fs_reads_bytes_total{7:1} 512", "fs_reads_total{7:1} 3"],
  ...["fs_writes_bytes_total{7:1} 0", "fs_writes_total{7:1} 0"],
  ...[
    "blkio_device_usage_total{/dev/sda,8,0,Write} 8192",
    "blkio_device_usage_total{/dev/sda,8,0,Discard} 0",
  ],
  ...["blkio_device_usage_total{7:1,7,1,Read} 512", "blkio_device_usage_total{7:1,7,1,Write} 0"],
  ...["cpu", "memory", "io"].flatMap((what) =>
    ["waiting", "stalled"].map((how) => `pressure_${what}_${how}_seconds_total 0`),
  ),
];
const versions = [
  { version: 1, toSamples: samplesV1, files: filesOfV1, want: v1 },
  { version: 2, toSamples: samplesV2, files: filesOfV2, want: v2 },
];
for (const { version, toSamples, files, want } of versions) {
  const lines = (changed: Record<string, string | undefined>) =>
    toSamples(texts(files, changed), ["2MB"], deviceName).map(toLine);
  const without = (...gone: string[]) =>
    want.filter((line) => !gone.some((part) => line.includes(part))).sort();

  test(`version ${version}: everything is told once, times in whole seconds`, () => {
    assert.deepEqual(lines({}).sort(), without());
  });

  test(`version ${version}: without a quota nothing is told of it, nor of throttling`, () => {
    const changed = { "cpu.cfs_quota_us": "-1\n", "cpu.max": "max 100000\n" };
    assert.deepEqual(lines(changed).sort(), without("cfs", "spec_cpu_quota"));
  });

  test(`version ${version}: a kernel that does not account for swap has none in use`, () => {
    const gone = ["memory.swap.current", "memory.swap.max", "memory.memsw.limit_in_bytes"];
    const stat = (files["memory.stat"] ?? "").replace("total_swap 4096\n", "");
    const told = lines({ ...Object.fromEntries(gone.map((name) => [name, undefined])), "memory.stat": stat });
    assert.ok(told.includes("memory_swap 0"));
    assert.ok(told.includes("spec_memory_swap_limit_bytes 0"));
  });

  test(`version ${version}: of a cgroup that has gone nothing is told`, () => {
    assert.deepEqual(
      toSamples(() => undefined, ["2MB"], deviceName),
      [],
    );
  });
}

test("version 1: a kernel that does not count what is below a cgroup tells the cgroup's own", () => {
  const changed = { "blkio.throttle.io_service_bytes_recursive": undefined };
  const told = samplesV1(texts(filesOfV1, changed), [], deviceName).map(toLine);
  assert.ok(told.includes("fs_reads_bytes_total{/dev/sda} 1"));
});

test("version 2: pressure is told in seconds, and a kernel without full pressure of the cpu tells the other", () => {
  const line = (total: number) => `avg10=0.00 avg60=0.00 avg300=0.00 total=${total}\n`;
  const changed = {
    "cpu.pressure": `some ${line(2_500_000)}`,
    "io.pressure": `some ${line(3_000_000)}full ${line(1_000_000)}`,
  };
  const told = samplesV2(texts(filesOfV2, changed), [], deviceName).map(toLine);
  assert.deepEqual(
    told.filter((text) => /pressure_(cpu|io)/.test(text)),
    [
      "pressure_cpu_waiting_seconds_total 2",
      "pressure_io_waiting_seconds_total 3",
      "pressure_io_stalled_seconds_total 1",
    ],
  );
});

test("version 2: kernels before 5.18 have the kernel's memory told in parts", () => {
  const changed = { "memory.stat": "anon 1\nkernel_stack 100\npagetables 20\nslab 3\n" };
  const told = samplesV2(texts(filesOfV2, changed), [], deviceName).map(toLine);
  assert.ok(told.includes("memory_kernel_usage 123"));
});

for (const [weight, shares] of [
  [1, 2],
  [10_000, 262_144],
] as const) {
  test(`version 2: a weight of ${weight} is told as ${shares} shares`, () => {
    const told = samplesV2(texts(filesOfV2, { "cpu.weight": `${weight}\n` }), [], deviceName).map(toLine);
    assert.ok(told.includes(`spec_cpu_shares ${shares}`));
  });
}
