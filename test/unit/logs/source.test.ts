import assert from "node:assert/strict";
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Source, type SourcePosition } from "../../../src/logs/source.js";
import { DockerFiles } from "./docker-files.js";
import { chance } from "../../support/random.js";
import { temporaryFolder } from "./support.js";

const buffer = Buffer.alloc(64);

function setUp(t: TestContext, maxFile = 4) {
  const docker = new DockerFiles(join(temporaryFolder(t), "docker", "x-json.log"), maxFile);
  const source = new Source(docker.path);
  t.after(() => source.close());
  return { docker, source };
}

/** All that can be read now, with a look before each read as a follower does it. */
function readAll(source: Source, gaps: string[] = []): string {
  let text = "";
  for (;;) {
    const gap = source.look();
    if (gap) gaps.push(gap.detail);
    const length = source.read(buffer);
    if (length === 0 && !source.complete) return text;
    if (length === 0) source.advance();
    text += buffer.toString("latin1", 0, length);
    source.consume(length);
  }
}

const openFiles = (path: string): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  }).length;

test("a file may come later", (t) => {
  const { docker, source } = setUp(t);
  assert.equal(source.open(null), undefined);
  assert.deepEqual([source.position], [null]);
  assert.equal(readAll(source), "");
  docker.append("a");
  assert.equal(source.changed(), true);
  assert.equal(readAll(source), "a");
  assert.equal(source.position?.offset, 1);
  assert.equal(source.exhausted, true);
  assert.equal(source.changed(), false);
});

test("so may the folder", (t) => {
  const { docker, source } = setUp(t);
  rmSync(join(docker.path, ".."), { recursive: true });
  assert.equal(source.open(null), undefined);
  assert.equal(readAll(source), "");
});

test("without a position, reading starts with the oldest file", (t) => {
  const { docker, source } = setUp(t);
  for (const text of ["a", "b", "c"]) {
    docker.append(text);
    docker.rotate();
  }
  docker.append("d");
  assert.equal(source.open(null), undefined);
  assert.equal(readAll(source), "abcd");
});

test("what Docker removes while it is unread is read from the open file", (t) => {
  const { docker, source } = setUp(t, 2);
  docker.append("0");
  source.open(null);
  for (let number = 1; number < 9; number += 1) {
    docker.rotate();
    docker.append(String(number));
    assert.equal(source.look(), undefined);
  }
  assert.equal(openFiles(docker.path), 9);
  assert.equal(readAll(source), "012345678");
  assert.equal(openFiles(docker.path), 1);
});

test("several rotations between two looks are followed while Docker keeps the files", (t) => {
  const { docker, source } = setUp(t, 4);
  docker.append("a");
  source.open(null);
  for (const text of ["b", "c", "d"]) {
    docker.rotate();
    docker.append(text);
  }
  const gaps: string[] = [];
  assert.equal(readAll(source, gaps), "abcd");
  assert.deepEqual(gaps, []);
});

test("files that came and went between two looks are a gap, and what is there is read", (t) => {
  const { docker, source } = setUp(t, 3);
  docker.append("a");
  source.open(null);
  for (const text of ["b", "c", "d"]) {
    docker.rotate();
    docker.append(text);
  }
  const gaps: string[] = [];
  assert.equal(readAll(source, gaps), "abcd");
  assert.deepEqual(gaps, ["Docker has removed files before they were seen"]);
});

test("no more than 32 files are kept open; Docker may remove the rest, which is a gap", (t) => {
  const { docker, source } = setUp(t, 2);
  docker.append("0,");
  source.open(null);
  for (let number = 1; number < 50; number += 1) {
    docker.rotate();
    docker.append(`${number},`);
    assert.equal(source.look(), undefined);
  }
  assert.equal(openFiles(docker.path), 32);
  const gaps: string[] = [];
  const numbers = readAll(source, gaps).split(",").slice(0, -1).map(Number);
  assert.deepEqual(numbers, [...Array.from({ length: 32 }, (_, number) => number), 48, 49]);
  assert.equal(gaps.length, 1);
});

test("Docker starting again in the same file is a gap, and read from its beginning", (t) => {
  const { docker, source } = setUp(t, 1);
  docker.append("abc");
  source.open(null);
  assert.equal(readAll(source), "abc");
  docker.truncate();
  docker.append("d");
  assert.deepEqual(source.look(), { detail: "Docker has started again in the same file", restarted: true });
  assert.equal(readAll(source), "d");
});

test("all files of a long chain are found, and other names are not taken for them", (t) => {
  const { docker, source } = setUp(t, 12);
  docker.append("a");
  for (const letter of "bcdefghijkl") {
    docker.rotate();
    docker.append(letter);
  }
  for (const name of ["1.gz", "01", "0", "x", "1x"])
    new DockerFiles(`${docker.path}.${name}`, 1).append("no");
  source.open(null);
  assert.equal(readAll(source), "abcdefghijkl");
});

function positionAfter(docker: DockerFiles, bytes: number): SourcePosition {
  const source = new Source(docker.path);
  source.open(null);
  source.consume(bytes);
  const { position } = source;
  source.close();
  return position!;
}

test("a position is gone back to, whatever the file's name is by now", (t) => {
  const { docker, source } = setUp(t, 4);
  docker.append("abc");
  const position = positionAfter(docker, 2);
  for (let rotations = 0; rotations < 4; rotations += 1) {
    assert.equal(source.open(position), undefined);
    assert.equal(readAll(source), "c" + "d".repeat(rotations));
    docker.rotate();
    docker.append("d");
  }
  const gap = { detail: "Docker has removed the file that was being read", restarted: true };
  assert.deepEqual(source.open(position), gap);
  assert.equal(readAll(source), "dddd");
});

test("a new file that has a removed one's inode is another file", (t) => {
  const { docker, source } = setUp(t, 4);
  docker.append("abc");
  const position = positionAfter(docker, 2);
  rmSync(docker.path);
  docker.append("xyz");
  assert.equal(source.open({ ...position, birth: position.birth - 1n })?.restarted, true);
  assert.equal(source.open(position)?.restarted, true);
  assert.equal(readAll(source), "xyz");
});

test("a position behind a file's end means that the file was started again", (t) => {
  const { docker, source } = setUp(t, 1);
  docker.append("abc");
  const position = positionAfter(docker, 2);
  docker.truncate();
  docker.append("d");
  assert.deepEqual(source.open(position), {
    detail: "Docker has started again in the same file",
    restarted: true,
  });
  assert.equal(readAll(source), "d");
});

test("nothing is lost or out of order at whatever moment of a rotation the looks are", (t) => {
  for (let seed = 0; seed < 150; seed += 1) {
    const below = chance(seed);
    const { docker, source } = setUp(t, 2 + below(3));
    let written = "";
    let read = "";
    const gaps: string[] = [];
    source.open(null);
    for (let number = 0; number < 30; number += 1) {
      written += `${number},`;
      docker.append(`${number},`);
      if (below(2) > 0) {
        docker.rotate(() => {
          if (below(4) === 0) source.look();
          if (below(8) === 0) read += readAll(source, gaps);
        });
      }
      source.look();
    }
    read += readAll(source, gaps);
    assert.equal(read, written, `seed ${seed}`);
    assert.deepEqual(gaps, []);
    source.close();
    assert.equal(openFiles(docker.path), 0);
  }
});
