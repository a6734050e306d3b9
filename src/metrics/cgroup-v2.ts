/** Metrics of a cgroup of version 2 (pure; kernel, admin-guide/cgroup-v2.rst). */
import { parseUsageV2 } from "../stats/cgroup-v2.js";
import { parseKeyed, parseNumber, type Pressure, type StatsFile, type Texts } from "../stats/usage.js";
import {
  deviceSamples,
  inSeconds,
  perSecond,
  quotaSamples,
  samples,
  usageSamples,
  type DeviceCount,
  type DeviceName,
  type Sample,
} from "./sample.js";

/** Beside those of the statistics. @param pageSizes of huge pages, as the kernel writes them in names: "2MB" */
export const metricFilesV2 = (pageSizes: readonly string[]): StatsFile[] =>
  [
    ...["cpu.max", "cpu.weight", "io.stat", "memory.peak", "memory.min", "memory.events"],
    ...["pids.current", "pids.max"],
    ...pageSizes.flatMap((size) => ["current", "events"].map((what) => `hugetlb.${size}.${what}`)),
  ].map((name) => ({ controller: name.split(".")[0] ?? "", name }));

export function samplesV2(text: Texts, pageSizes: readonly string[], deviceName: DeviceName): Sample[] {
  const number = (name: string) => parseNumber(text(name));
  const keyed = (name: string) => parseKeyed(text(name) ?? "");
  const usage = parseUsageV2(text);
  const { memory, pressure } = usage;
  const [cpu, stat, events] = [keyed("cpu.stat"), keyed("memory.stat"), keyed("memory.events")];
  const limit = (name: string) => (text(name) === undefined ? undefined : (number(name) ?? 0n));
  // "QUOTA PERIOD", with "max" for no quota.
  const [quota, period] = (text("cpu.max") ?? "").split(" ");
  const devices = parseDevices(text("io.stat") ?? "");
  return [
    ...usageSamples(usage),
    ...samples([
      ["container_cpu_user_seconds_total", inSeconds(cpu("user_usec"), perSecond.micros)],
      ["container_cpu_system_seconds_total", inSeconds(cpu("system_usec"), perSecond.micros)],
      // Since Linux 5.19.
      ["container_memory_max_usage_bytes", number("memory.peak")],
      ["container_memory_cache", stat("file")],
      ["container_memory_mapped_file", stat("file_mapped")],
      ["container_memory_kernel_usage", stat("kernel") ?? kernelOf(stat)],
      // A kernel that does not account for swap has no such file; dashboards expect a number, as cAdvisor gives it.
      ["container_memory_swap", memory && (number("memory.swap.current") ?? 0n)],
      ["container_memory_failcnt", events("max")],
      ["container_memory_failures_total", memory?.pageFaults, "pgfault", "container"],
      ["container_memory_failures_total", memory?.majorPageFaults, "pgmajfault", "container"],
      ["container_memory_total_active_file_bytes", stat("active_file")],
      ["container_memory_total_inactive_file_bytes", stat("inactive_file")],
      ["container_memory_file_dirty_bytes", stat("file_dirty")],
      ["container_memory_file_writeback_bytes", stat("file_writeback")],
      ["container_memory_events_high_total", events("high")],
      ["container_memory_events_max_total", events("max")],
      ["container_memory_pgscan_total", stat("pgscan")],
      ["container_memory_pgsteal_total", stat("pgsteal")],
      ["container_memory_workingset_refault_file_total", stat("workingset_refault_file")],
      ["container_memory_workingset_refault_anon_total", stat("workingset_refault_anon")],
      ["container_oom_events_total", events("oom_kill")],
      ["container_threads", number("pids.current")],
      ["container_threads_max", limit("pids.max")],
      ["container_spec_cpu_period", parseNumber(period)],
      ["container_spec_cpu_shares", sharesOf(number("cpu.weight"))],
      ["container_spec_memory_limit_bytes", limit("memory.max")],
      ["container_spec_memory_reservation_limit_bytes", limit("memory.min")],
      ["container_spec_memory_swap_limit_bytes", memory && (limit("memory.swap.max") ?? 0n)],
    ]),
    ...quotaSamples(parseNumber(quota), cpu, cpuStatKeys),
    ...pressureSamples("cpu", pressure.cpu),
    ...pressureSamples("memory", pressure.memory),
    ...pressureSamples("io", pressure.io),
    ...pageSizes.flatMap((size) =>
      samples([
        ["container_hugetlb_usage_bytes", number(`hugetlb.${size}.current`), size],
        ["container_hugetlb_failcnt", keyed(`hugetlb.${size}.events`)("max"), size],
      ]),
    ),
    ...deviceSamples(
      devices.flatMap(({ number, values }) => counts(number, values, operations.bytes)),
      devices.flatMap(({ number, values }) => counts(number, values, operations.count)),
      deviceName,
    ),
  ];
}

/** Kernels before 5.18 tell the parts only. */
function kernelOf(stat: (key: string) => bigint | undefined): bigint | undefined {
  const parts = ["kernel_stack", "pagetables", "percpu", "sock", "slab"].map(stat);
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, part) => sum + part, 0n);
}

/** cAdvisor's way back from weights (1 to 10000) to shares (2 to 262144). */
const sharesOf = (weight: bigint | undefined): bigint | undefined =>
  weight === undefined ? undefined : ((weight - 1n) * 262_142n) / 9999n + 2n;

const cpuStatKeys = { throttled: "throttled_usec", burst: "burst_usec", unit: perSecond.micros };

const pressureSamples = (what: "cpu" | "memory" | "io", pressure: Pressure | undefined): Sample[] =>
  samples([
    [`container_pressure_${what}_waiting_seconds_total`, inSeconds(pressure?.some.total, perSecond.micros)],
    [`container_pressure_${what}_stalled_seconds_total`, inSeconds(pressure?.full?.total, perSecond.micros)],
  ]);

/** The kernel's keys, and what version 1 calls them. */
const operations = {
  bytes: { rbytes: "Read", wbytes: "Write", dbytes: "Discard" },
  count: { rios: "Read", wios: "Write", dios: "Discard" },
};

const counts = (number: string, values: Map<string, bigint>, names: Record<string, string>): DeviceCount[] =>
  Object.entries(names).flatMap(([key, operation]) => {
    const value = values.get(key);
    return value === undefined ? [] : [{ number, operation, value }];
  });

/** Lines "8:0 rbytes=4096 wbytes=0 rios=1"; a device that has done nothing has a number only. */
const parseDevices = (text: string): { number: string; values: Map<string, bigint> }[] =>
  text.split("\n").flatMap((line) => {
    const [number = "", ...pairs] = line.split(" ");
    if (!number.includes(":")) return [];
    const values = pairs.flatMap((pair): [string, bigint][] => {
      const [key = "", text] = pair.split("=");
      const value = parseNumber(text);
      return value === undefined ? [] : [[key, value]];
    });
    return [{ number, values: new Map(values) }];
  });
