/** A file system of 64 KiB and 16 inodes, which is soon full. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Mounting needs root. */
export const withoutMounts = process.getuid?.() === 0 ? false : "needs root";

export class SmallDisk {
  readonly folder: string;

  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), "dockershim-disk-"));
    t.after(() => {
      execFileSync("umount", ["--lazy", this.folder]);
      rmdirSync(this.folder);
    });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,nr_inodes=16", "tmpfs", this.folder]);
  }

  /** Leaves so many pages of 4 KiB free. */
  fill(leave: number): void {
    const fd = openSync(join(this.folder, "ballast"), "w");
    try {
      for (;;) writeSync(fd, Buffer.alloc(4096));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
    if (leave > 0) execFileSync("truncate", [`--size=-${leave * 4096}`, join(this.folder, "ballast")]);
  }

  /** Leaves room for no other file. */
  fillNames(): void {
    try {
      for (let number = 0; ; number += 1) writeFileSync(join(this.folder, `name-${number}`), "");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  free(): void {
    rmSync(join(this.folder, "ballast"));
  }
}
