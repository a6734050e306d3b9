/** Metrics of a cgroup of version 1 (pure; kernel, admin-guide/cgroup-v1 and scheduler/sched-bwc.rst). */
import { parseUsageV1 } from "../stats/cgroup-v1.js";
import { parseKeyed, parseNumber, type StatsFile, type Texts } from "../stats/usage.js";
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
export const metricFilesV1 = (pageSizes: readonly string[]): StatsFile[] =>
  [
    ...["cpuacct.stat", "cpu.stat", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"],
    ...["memory.max_usage_in_bytes", "memory.failcnt", "memory.kmem.usage_in_bytes", "memory.oom_control"],
    ...["memory.soft_limit_in_bytes", "pids.current", "pids.max"],
    ...deviceFiles.bytes,
    ...deviceFiles.operations,
    ...pageSizes.flatMap((size) =>
      ["usage_in_bytes", "max_usage_in_bytes", "failcnt"].map((what) => `hugetlb.${size}.${what}`),
    ),
  ].map((name) => ({ controller: name.split(".")[0] ?? "", name }));

/** The first that there is: older kernels do not count what is below a cgroup. */
const deviceFiles = {
  bytes: ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"],
  operations: ["blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"],
} as const;

export function samplesV1(text: Texts, pageSizes: readonly string[], deviceName: DeviceName): Sample[] {
  const number = (name: string) => parseNumber(text(name));
  const usage = parseUsageV1(text);
  const { memory } = usage;
  const time = parseKeyed(text("cpuacct.stat") ?? "");
  const stat = parseKeyed(text("memory.stat") ?? "");
  const first = ([name, other]: readonly [string, string]) => parseDevices(text(name) ?? text(other) ?? "");
  return [
    ...usageSamples(usage),
    ...samples([
      ["container_cpu_user_seconds_total", inSeconds(time("user"), perSecond.ticks)],
      ["container_cpu_system_seconds_total", inSeconds(time("system"), perSecond.ticks)],
      ["container_memory_max_usage_bytes", number("memory.max_usage_in_bytes")],
      ["container_memory_cache", stat("total_cache")],
      ["container_memory_mapped_file", stat("total_mapped_file")],
      ["container_memory_kernel_usage", number("memory.kmem.usage_in_bytes")],
      // A kernel that does not account for swap has no such line; dashboards expect a number, as cAdvisor gives it.
      ["container_memory_swap", memory && (stat("total_swap") ?? 0n)],
      ["container_memory_failcnt", number("memory.failcnt")],
      ["container_memory_failures_total", stat("pgfault"), "pgfault", "container"],
      ["container_memory_failures_total", stat("pgmajfault"), "pgmajfault", "container"],
      ["container_memory_total_active_file_bytes", stat("total_active_file")],
      ["container_memory_total_inactive_file_bytes", stat("total_inactive_file")],
      ["container_memory_file_dirty_bytes", stat("total_dirty")],
      ["container_memory_file_writeback_bytes", stat("total_writeback")],
      ["container_oom_events_total", parseKeyed(text("memory.oom_control") ?? "")("oom_kill")],
      ["container_threads", number("pids.current")],
      ["container_threads_max", text("pids.max") === undefined ? undefined : (number("pids.max") ?? 0n)],
      ["container_spec_cpu_period", number("cpu.cfs_period_us")],
      ["container_spec_cpu_shares", number("cpu.shares")],
      ["container_spec_memory_limit_bytes", limitOf(number("memory.limit_in_bytes"))],
      ["container_spec_memory_reservation_limit_bytes", limitOf(number("memory.soft_limit_in_bytes"))],
      [
        "container_spec_memory_swap_limit_bytes",
        memory && limitOf(number("memory.memsw.limit_in_bytes") ?? 0n),
      ],
    ]),
    // No quota reads as -1, which is no number here.
    ...quotaSamples(number("cpu.cfs_quota_us"), parseKeyed(text("cpu.stat") ?? ""), cpuStatKeys),
    ...pageSizes.flatMap((size) =>
      samples([
        ["container_hugetlb_usage_bytes", number(`hugetlb.${size}.usage_in_bytes`), size],
        ["container_hugetlb_max_usage_bytes", number(`hugetlb.${size}.max_usage_in_bytes`), size],
        ["container_hugetlb_failcnt", number(`hugetlb.${size}.failcnt`), size],
      ]),
    ),
    ...deviceSamples(first(deviceFiles.bytes), first(deviceFiles.operations), deviceName),
  ];
}

const cpuStatKeys = { throttled: "throttled_time", burst: "burst_time", unit: perSecond.nanos };

/** No limit is a number of whole pages near 2^63; metrics say 0. */
const limitOf = (limit: bigint | undefined): bigint | undefined =>
  limit !== undefined && limit > 2n ** 62n ? 0n : limit;

/** Lines "8:0 Read 4096"; the one of all devices together has no number. */
const parseDevices = (text: string): DeviceCount[] =>
  text.split("\n").flatMap((line) => {
    const [number = "", operation = "", value] = line.split(" ");
    const count = parseNumber(value);
    return number.includes(":") && count !== undefined ? [{ number, operation, value: count }] : [];
  });
