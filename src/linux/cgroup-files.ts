/** Limits that Docker's API cannot express, as files of the container's cgroup (pure). */
import { CriError } from "../errors.js";
import type { HostFacts } from "../host/facts.js";

/** What a container asks of its cgroup beyond what Docker holds. */
export interface CgroupLimits {
  /** Files of cgroup version 2 and their content: CRI's `unified`. */
  unified: Record<string, string>;
  hugepageLimits: HugepageLimit[];
}

export interface HugepageLimit {
  /** As the kernel writes it: "2MB", "1GB". */
  pageSize: string;
  /** Bytes. */
  limit: string;
}

/** A file in the cgroup of that controller. */
export interface CgroupFile {
  /** Whose hierarchy the file is in with version 1; with version 2 there is one for all. */
  controller: string;
  name: string;
  text: string;
  /** That there is no such file is all right: what is limited to nothing cannot be had either. */
  optional: boolean;
}

/** Every file of a cgroup is "<controller>.<what>", with dots in it at will (kernel, cgroup-v2.rst). */
const fileName = /^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/;

/**
 * @param field the resources' place in the request, for errors
 * @throws CriError invalid for what cannot be a file or a page size, or what this host's cgroups do not have
 */
export function checkCgroupLimits({ unified, hugepageLimits }: CgroupLimits, field: string): void {
  const strange = Object.keys(unified).find((name) => !fileName.test(name));
  if (strange !== undefined) {
    throw new CriError("invalid", `${field}.unified: ${JSON.stringify(strange)} is no file of a cgroup`);
  }
  for (const { pageSize } of hugepageLimits) {
    if (!/^\d+[KMG]B$/.test(pageSize)) {
      throw new CriError(
        "invalid",
        `${field}.hugepage_limits: page_size ${JSON.stringify(pageSize)} is none, as 2MB`,
      );
    }
  }
}

/** @throws CriError invalid where the host's cgroups are of version 1, and `unified` is of version 2 */
export function toCgroupFiles(
  { unified, hugepageLimits }: CgroupLimits,
  { cgroupVersion }: Pick<HostFacts, "cgroupVersion">,
): CgroupFile[] {
  const [first] = Object.keys(unified);
  if (first !== undefined && cgroupVersion === 1) {
    throw new CriError(
      "invalid",
      `unified (${first}) needs cgroups of version 2, and this host has version 1`,
    );
  }
  return [
    ...Object.entries(unified).map(([name, text]) => ({
      controller: name.split(".")[0] ?? "",
      name,
      text,
      optional: false,
    })),
    ...hugepageLimits.map(({ pageSize, limit }) => ({
      controller: "hugetlb",
      name: `hugetlb.${pageSize}.${cgroupVersion === 1 ? "limit_in_bytes" : "max"}`,
      text: limit,
      optional: limit === "0",
    })),
  ];
}

/**
 * Where a process is, from the text of its /proc/<pid>/cgroup: "12:hugetlb:/a" with version 1, "0::/a" with version 2.
 * @returns the folder below /sys/fs/cgroup, undefined where that controller has no hierarchy
 */
export function cgroupFolder(
  text: string,
  controller: string,
  { cgroupVersion }: Pick<HostFacts, "cgroupVersion">,
): string | undefined {
  for (const line of text.split("\n")) {
    const [id, controllers = "", ...path] = line.split(":");
    if (cgroupVersion === 2 && id === "0") return path.join(":");
    if (cgroupVersion === 1 && controllers.split(",").includes(controller)) {
      return `/${controller}${path.join(":")}`;
    }
  }
  return undefined;
}
