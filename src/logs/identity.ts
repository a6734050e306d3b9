import type { BigIntStats } from "node:fs";

/**
 * Which file it is, whatever its name. Inode numbers are used again as soon as a file is gone, so the time of
 * birth belongs to it (0 on file systems that keep none).
 */
export interface FileIdentity {
  ino: bigint;
  birth: bigint;
}

export const identityOf = (stats: Pick<BigIntStats, "ino" | "birthtimeNs">): FileIdentity => ({
  ino: stats.ino,
  birth: stats.birthtimeNs,
});

export const sameFile = (one: FileIdentity, other: FileIdentity): boolean =>
  one.ino === other.ino && one.birth === other.birth;
