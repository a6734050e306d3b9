/** What the kernel writes into a cgroup's files, shortened to the lines that matter and some that do not. */
import type { Texts } from "../../../src/stats/usage.js";

export const filesOfV1: Record<string, string> = {
  "cpuacct.usage": "5000000123\n",
  "memory.usage_in_bytes": "10000000\n",
  "memory.limit_in_bytes": "67108864\n",
  "memory.memsw.limit_in_bytes": "100663296\n",
  "memory.stat": [
    "cache 1",
    "rss 2",
    "inactive_file 3",
    "total_cache 7000000",
    "total_rss 3000000",
    "total_swap 4096",
    "total_pgfault 1234",
    "total_pgmajfault 5",
    "total_inactive_file 6000000",
    "",
  ].join("\n"),
};

export const pressureText =
  "some avg10=1.50 avg60=0.25 avg300=0.00 total=123456\nfull avg10=0.50 avg60=0.10 avg300=0.05 total=65432\n";

export const filesOfV2: Record<string, string> = {
  "cpu.stat": "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n",
  "cpu.pressure": pressureText,
  "io.pressure": pressureText,
  "memory.pressure": pressureText,
  "memory.current": "10000000\n",
  "memory.max": "67108864\n",
  "memory.stat": "anon 3000000\nfile 7000000\ninactive_file 6000000\npgfault 1234\npgmajfault 5\n",
  "memory.swap.current": "4096\n",
  "memory.swap.max": "33554432\n",
};

/** With some files changed, or taken away. */
export const texts = (
  files: Record<string, string>,
  changed: Record<string, string | undefined> = {},
): Texts => {
  const all: Record<string, string | undefined> = { ...files, ...changed };
  return (name) => all[name];
};
