/** Options of a single mount, by mount(8)'s words (pure). */
import { CriError } from "../errors.js";

/** Of each group a mount has exactly one; without a word for it, the first. */
const groups = [
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["exec", "noexec"],
  ["symfollow", "nosymfollow"],
  ["strictatime", "relatime", "noatime"],
  ["diratime", "nodiratime"],
] as const;

const groupOf = (option: string) => groups.find((group) => (group as readonly string[]).includes(option));

/** Words that have a field of their own. */
const fields: Record<string, string> = {
  ro: "readonly",
  rw: "readonly",
  rro: "recursive_read_only",
  bind: "host_path",
  rbind: "host_path",
};
for (const kind of ["private", "slave", "shared"]) {
  Object.assign(fields, { [kind]: "propagation", [`r${kind}`]: "propagation" });
}

/**
 * Names the option that is unknown, said by another field, or the opposite of one before it. CRI: all are applied, or
 * the container is refused; known are the options that a bind mount can have for itself.
 */
export function checkOptions(options: readonly string[], field: string): void {
  for (const [index, option] of options.entries()) {
    const group = groupOf(option);
    if (!group) {
      const owner = fields[option];
      const why = owner === undefined ? "is unknown" : `belongs to the field ${owner}`;
      throw new CriError("invalid", `${field}: ${JSON.stringify(option)} ${why}`);
    }
    const other = options.slice(0, index).find((earlier) => earlier !== option && groupOf(earlier) === group);
    if (other !== undefined) throw new CriError("invalid", `${field}: ${other} and ${option} contradict`);
  }
}

/**
 * All options of a mount that has `present`, as mountinfo shows them, after `wanted` was asked of it. All of them are
 * named, because a remount takes away what it does not name.
 */
export function mergeOptions(
  present: readonly string[],
  wanted: readonly string[],
  readonly: boolean,
): string[] {
  const one = (group: readonly string[]): string => {
    const last = (options: readonly string[]) => group.find((option) => options.includes(option));
    return last(wanted) ?? last(present) ?? group[0] ?? "";
  };
  return [readonly || present.includes("ro") ? "ro" : "rw", ...groups.map(one)];
}
