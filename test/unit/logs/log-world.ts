/** One container's log with all that happens to it: Docker that writes and rotates, the kubelet, and crashes. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, renameSync, statSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { Follower, makeTurnBuffers, type Outcome } from "../../../src/logs/follower.js";
import { loadPosition } from "../../../src/logs/position.js";
import { DockerFiles } from "./docker-files.js";
import { entry, temporaryFolder, timeOf } from "./support.js";

export class LogWorld {
  readonly docker: DockerFiles;
  readonly path: string;
  readonly positionFile: string;
  readonly reports: string[] = [];
  follower: Follower;
  /** How many lines Docker has written. */
  lines = 0;
  #rotations = 0;
  readonly #buffers;

  constructor(folder: string, { maxFile = 4, bufferBytes = 512, logFolder = folder } = {}) {
    this.docker = new DockerFiles(join(folder, "docker", "x-json.log"), maxFile);
    this.path = join(logFolder, "pods", "app", "0.log");
    this.positionFile = join(folder, "positions", "x.json");
    this.#buffers = makeTurnBuffers(bufferBytes);
    this.follower = this.#makeFollower();
  }

  /** Docker writes the next lines. */
  write(count = 1): void {
    const numbers = Array.from({ length: count }, (_, index) => this.lines + index);
    this.docker.append(numbers.map((number) => this.entryOf(number)).join(""));
    this.lines += count;
  }

  entryOf(number: number): string {
    const text = `line ${number} "${"x".repeat((number * 7) % 60)}"`;
    return entry(number % 5 === 4 ? text : `${text}\n`, { time: timeOf(number) });
  }

  /** What belongs into the log for these lines. */
  static expected(numbers: Iterable<number>): string {
    return [...numbers]
      .map((number) => {
        const tag = number % 5 === 4 ? "P" : "F";
        return `${timeOf(number)} stdout ${tag} line ${number} "${"x".repeat((number * 7) % 60)}"\n`;
      })
      .join("");
  }

  start(): void {
    this.follower.start();
  }

  /** As SIGKILL does it: nothing is saved. The last write may have been cut short. */
  crash(below?: (limit: number) => number): void {
    this.follower.close();
    if (below) this.#tearLastWrite(below);
    this.follower = this.#makeFollower();
    this.follower.start();
  }

  /** Steps until there is nothing to do. */
  drain(): Outcome {
    for (let turns = 0; turns < 10_000; turns += 1) {
      const outcome = this.follower.step();
      if (outcome !== "more") return outcome;
    }
    throw new Error("the follower never comes to an end");
  }

  /** The first half of the kubelet's rotation. */
  rename(): void {
    this.#rotations += 1;
    renameSync(this.path, this.#rotated);
  }

  /** The kubelet's rotation; when the log cannot be opened anew, it takes its renaming back. */
  rotate(): void {
    this.rename();
    try {
      this.follower.reopen();
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
      renameSync(this.#rotated, this.path);
    }
  }

  get #rotated(): string {
    return `${this.path}.${String(this.#rotations).padStart(5, "0")}`;
  }

  /** All of the log, rotated files first, in order; in each there are only whole lines. */
  log(): string {
    const folder = dirname(this.path);
    const rotated = readdirSync(folder).filter((name) => name.startsWith("0.log."));
    return [...rotated.sort(), ...(existsSync(this.path) ? ["0.log"] : [])]
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .map((text) => (assert.match(text, /^$|\n$/), text))
      .join("");
  }

  /** Every line exactly once and in order. */
  checkExact(message: string): void {
    assert.equal(this.log(), LogWorld.expected(Array(this.lines).keys()), message);
  }

  #makeFollower(): Follower {
    const files = { source: this.docker.path, path: this.path, positionFile: this.positionFile };
    return new Follower(files, this.#buffers, (what, detail, count) => {
      this.reports.push(`${what} ${count}: ${detail}`);
    });
  }

  /** What was written after the last save can be cut anywhere; a write that came before another one cannot. */
  #tearLastWrite(below: (limit: number) => number): void {
    const position = loadPosition(this.positionFile);
    const stats = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (!position || !stats || stats.ino !== position.destination.ino) return;
    const unsaved = Number(stats.size) - position.destination.size;
    if (unsaved > 0) truncateSync(this.path, Number(stats.size) - below(unsaved + 1));
  }
}

export function setUp(t: TestContext, options: { maxFile?: number; bufferBytes?: number } = {}): LogWorld {
  const world = new LogWorld(temporaryFolder(t), options);
  t.after(() => world.follower.close());
  return world;
}

/** The log's text for the lines from one number up to another. */
export const expected = (from: number, to: number): string =>
  LogWorld.expected(Array.from({ length: to - from }, (_, index) => from + index));
