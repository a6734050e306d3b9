/**
 * The metrics of containers and pods that the kubelet serves on /metrics/cadvisor (pure): with cAdvisor's names and
 * labels, since dashboards know these, and with what cAdvisor has on in a kubelet. (lib/metrics/prometheus.go there;
 * KEP 2371 for the way over CRI.) Left out is what the kubelet has off: NUMA, connections by their state, scheduler
 * delays, perf, resctrl and referenced memory; and the load average and the states of tasks, which are always 0 there.
 */
import type { MetricDescriptor } from "../generated/runtime/v1/MetricDescriptor.js";

interface Description {
  type: "COUNTER" | "GAUGE";
  help: string;
  /** Beside those that all metrics have. */
  labels: readonly string[];
  /** What hosts have that tell it. */
  needs?: HostPart;
}

export type HostPart = "cgroups of version 2" | "limits of huge pages";

const counter = (help: string, ...labels: string[]): Description => ({ type: "COUNTER", help, labels });
const gauge = (help: string, ...labels: string[]): Description => ({ type: "GAUGE", help, labels });
const since2 = (help: string): Description => ({ ...counter(help), needs: "cgroups of version 2" });

export const table = {
  container_last_seen: gauge("When the container was seen last, in seconds since 1970"),
  container_start_time_seconds: gauge("When the container was started, in seconds since 1970"),

  container_cpu_usage_seconds_total: counter("Processor time used, over all cores", "cpu"),
  container_cpu_user_seconds_total: counter("Processor time used by the programs themselves"),
  container_cpu_system_seconds_total: counter("Processor time used by the kernel for the programs"),
  container_cpu_cfs_periods_total: counter("Periods that have passed with a processor quota"),
  container_cpu_cfs_throttled_periods_total: counter("Periods in which the quota was used up"),
  container_cpu_cfs_throttled_seconds_total: counter("Time spent waiting for the next period's quota"),
  container_cpu_cfs_burst_periods_total: counter("Periods in which more than the quota was used, as a burst"),
  container_cpu_cfs_burst_seconds_total: counter("Processor time used in bursts above the quota"),

  container_memory_usage_bytes: gauge("Memory in use, page cache included"),
  container_memory_working_set_bytes: gauge("Memory in use without the file pages that are dropped first"),
  container_memory_max_usage_bytes: gauge("The most memory that was ever in use"),
  container_memory_rss: gauge("Anonymous memory, in bytes"),
  container_memory_cache: gauge("Page cache, in bytes"),
  container_memory_mapped_file: gauge("File pages that are mapped, in bytes"),
  container_memory_kernel_usage: gauge("Memory of the kernel's that is charged, in bytes"),
  container_memory_swap: gauge("Swap in use, in bytes"),
  container_memory_failcnt: counter("How often the memory limit was met"),
  container_memory_failures_total: counter("Page faults", "failure_type", "scope"),
  container_memory_total_active_file_bytes: gauge("File pages in use lately"),
  container_memory_total_inactive_file_bytes: gauge("File pages that are dropped first"),
  container_memory_file_dirty_bytes: gauge("File pages that have yet to be written"),
  container_memory_file_writeback_bytes: gauge("File pages that are being written"),
  container_memory_events_high_total: since2("How often memory.high slowed the container down"),
  container_memory_events_max_total: since2("How often memory.max was met"),
  container_memory_pgscan_total: since2("Pages looked at to be reclaimed"),
  container_memory_pgsteal_total: since2("Pages reclaimed"),
  container_memory_workingset_refault_file_total: since2("File pages dropped and needed again"),
  container_memory_workingset_refault_anon_total: since2("Swapped pages that were needed again"),
  container_oom_events_total: counter("Processes killed because memory was out"),

  container_hugetlb_usage_bytes: gauge("Huge pages in use", "pagesize"),
  container_hugetlb_max_usage_bytes: gauge("The most huge pages that were ever in use, in bytes", "pagesize"),
  container_hugetlb_failcnt: {
    ...counter("How often the limit of huge pages was met", "pagesize"),
    // The two above are listed everywhere, since critest looks for them.
    needs: "limits of huge pages",
  },

  container_fs_usage_bytes: gauge("Bytes that the container wrote on top of its image", "device"),
  container_fs_limit_bytes: gauge("The size of the filesystem that they are on", "device"),
  container_fs_inodes_total: gauge("Inodes of that filesystem", "device"),
  container_fs_inodes_free: gauge("Inodes of that filesystem that are free", "device"),
  container_fs_reads_bytes_total: counter("Bytes read from the device", "device"),
  container_fs_reads_total: counter("Reads from the device", "device"),
  container_fs_writes_bytes_total: counter("Bytes written to the device", "device"),
  container_fs_writes_total: counter("Writes to the device", "device"),
  container_blkio_device_usage_total: counter(
    "Bytes by kind of operation",
    ...["device", "major", "minor", "operation"],
  ),

  container_network_receive_bytes_total: counter("Bytes received", "interface"),
  container_network_receive_packets_total: counter("Packets received", "interface"),
  container_network_receive_packets_dropped_total: counter("Packets dropped on receiving", "interface"),
  container_network_receive_errors_total: counter("Errors on receiving", "interface"),
  container_network_transmit_bytes_total: counter("Bytes sent", "interface"),
  container_network_transmit_packets_total: counter("Packets sent", "interface"),
  container_network_transmit_packets_dropped_total: counter("Packets dropped on sending", "interface"),
  container_network_transmit_errors_total: counter("Errors on sending", "interface"),

  container_processes: gauge("Processes"),
  container_threads: gauge("Threads"),
  container_threads_max: gauge("How many threads there may be; 0 without a limit"),
  container_file_descriptors: gauge("Open file descriptors"),
  container_sockets: gauge("Open sockets"),
  container_ulimits_soft: gauge("Soft limits of the first process", "ulimit"),

  container_pressure_cpu_waiting_seconds_total: counter("Time in which some task waited for a processor"),
  container_pressure_cpu_stalled_seconds_total: counter("Time in which all tasks waited for a processor"),
  container_pressure_memory_waiting_seconds_total: counter("Time in which some task waited for memory"),
  container_pressure_memory_stalled_seconds_total: counter("Time in which all tasks waited for memory"),
  container_pressure_io_waiting_seconds_total: counter("Time in which some task waited for a device"),
  container_pressure_io_stalled_seconds_total: counter("Time in which all tasks waited for a device"),

  container_spec_cpu_period: gauge("The quota's period, in microseconds"),
  container_spec_cpu_quota: gauge("Processor time for each period, in microseconds"),
  container_spec_cpu_shares: gauge("Share of the processors when they are short"),
  container_spec_memory_limit_bytes: gauge("The memory limit; 0 without one"),
  container_spec_memory_reservation_limit_bytes: gauge("Memory that is kept for the container; 0 for none"),
  container_spec_memory_swap_limit_bytes: gauge("The limit of swap; 0 without one"),
} as const satisfies Record<string, Description>;

export type MetricName = keyof typeof table;

/** The labels that newest containerd and CRI-O agree on; the kubelet passes them on as they are. */
export const baseLabels = ["id", "image", "namespace", "pod", "container"] as const;

/** Every metric that a host with these parts can tell. */
export const toDescriptors = (parts: ReadonlySet<HostPart>): MetricDescriptor[] =>
  Object.entries<Description>(table)
    .filter(([, { needs }]) => needs === undefined || parts.has(needs))
    .map(([name, { help, labels }]) => ({ name, help, labelKeys: [...baseLabels, ...labels] }));
