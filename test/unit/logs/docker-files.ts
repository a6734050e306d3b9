/** Docker's json-files of one container, handled as Docker does (moby, daemon/logger/loggerutils/logfile.go). */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { dirname } from "node:path";

export class DockerFiles {
  readonly #identities = new Set<string>();

  constructor(
    readonly path: string,
    private readonly maxFile: number,
  ) {
    mkdirSync(dirname(path), { recursive: true });
  }

  append(text: string | Buffer): void {
    if (!existsSync(this.path)) this.#make();
    appendFileSync(this.path, text);
  }

  /** @param between is called before each step, since all of them can be seen */
  rotate(between: () => void = () => undefined): void {
    for (const step of this.#rotation()) {
      between();
      step();
    }
    between();
  }

  /** With max-file 1 Docker starts again in the same file. */
  truncate(): void {
    truncateSync(this.path);
  }

  /** Frees the oldest file's inode, and gives it to the new one if the file system likes that. */
  #rotation(): (() => void)[] {
    const name = (number: number) => (number === 0 ? this.path : `${this.path}.${number}`);
    const renames = Array.from({ length: this.maxFile - 1 }, (_, index) => this.maxFile - 2 - index);
    return [
      () => rmSync(name(this.maxFile - 1), { force: true }),
      ...renames.map((number) => () => {
        if (existsSync(name(number))) renameSync(name(number), name(number + 1));
      }),
      () => this.#make(),
    ];
  }

  /**
   * A test makes in one tick of the kernel's clock as many files as Docker does in hours, so two could have the
   * same inode and the same time of birth. These are made again a tick later.
   */
  #make(): void {
    for (;;) {
      closeSync(openSync(this.path, "a", 0o640));
      const { ino, birthtimeNs } = statSync(this.path, { bigint: true });
      const identity = `${ino} ${birthtimeNs}`;
      if (!this.#identities.has(identity)) {
        this.#identities.add(identity);
        return;
      }
      rmSync(this.path);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
