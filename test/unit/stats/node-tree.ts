/** A machine's /proc and /sys/fs/cgroup as plain files, and what the inventory knows of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { ContainerInspect } from "../../../src/docker/engine.js";
import { CriError } from "../../../src/errors.js";
import type { FilesystemUsage } from "../../../src/generated/runtime/v1/FilesystemUsage.js";
import type { Kind } from "../../../src/kube/labels.js";
import { kindOf, sandboxIdLabel } from "../../../src/kube/labels.js";
import { Metrics } from "../../../src/metrics/collector.js";
import { Stats } from "../../../src/stats/collector.js";
import { KernelFiles } from "../../../src/stats/kernel-files.js";
import { ManualClock } from "../../support/manual-clock.js";
import { Places } from "../../../src/stats/places.js";
import { filesOfV1, filesOfV2 } from "./texts.js";

/** @param keptOpen 0 where files go while they are read: a plain one that is open would not */
export function nodeTree(t: TestContext, found: ContainerInspect[], keptOpen?: number) {
  const folder = mkdtempSync(join(tmpdir(), "dockershim-stats."));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  /** A process in a cgroup of version 2, whose statistics are there as well. */
  const process = (pid: number, path: string, files = filesOfV2): void => {
    write(`proc/${pid}/cgroup`, `0::${path}\n`);
    cgroup(path, { ...files, "cgroup.procs": `${pid}\n` });
  };
  const cgroup = (path: string, files = filesOfV2): void => {
    for (const [name, text] of Object.entries(files)) write(`cgroup${path}/${name}`, text);
  };
  const processV1 = (pid: number, path: string): void => {
    const controllers = ["cpuacct", "memory", "pids"];
    write(`proc/${pid}/cgroup`, controllers.map((name, index) => `${index + 1}:${name}:${path}\n`).join(""));
    for (const [name, text] of Object.entries(filesOfV1)) {
      write(`cgroup/${name.split(".")[0]}${path}/${name}`, text);
    }
    write(`cgroup/pids${path}/cgroup.procs`, `${pid}\n`);
  };
  const clock = new ManualClock();
  const ofKind = (kind: Kind) => found.filter(({ Config }) => kindOf(Config.Labels) === kind);
  const inventory = {
    list: (kind: Kind) => Promise.resolve(ofKind(kind)),
    containersOf: (id: string) =>
      Promise.resolve(ofKind("container").filter(({ Config }) => Config.Labels[sandboxIdLabel] === id)),
    get: (kind: Kind, id: string) => {
      const one = ofKind(kind).find(({ Id }) => Id.startsWith(id));
      return one ? Promise.resolve(one) : Promise.reject(new CriError("notFound", `no ${kind} ${id}`));
    },
  };
  const layers = new Map<string, FilesystemUsage>();
  const files = new KernelFiles({
    cgroups: join(folder, "cgroup"),
    proc: join(folder, "proc"),
    sys: join(folder, "sys"),
    ...(keptOpen !== undefined && { keptOpen }),
  });
  const places = new Places(files);
  const stats = new Stats({ inventory, clock, files, places, layers });
  const remove = (name: string): void => rmSync(join(folder, name), { recursive: true });
  const metrics = () =>
    new Metrics({
      inventory,
      host: { facts: () => Promise.resolve({ rootDirectory: folder }) },
      clock,
      files,
      places,
      layers: { getSoon: ({ Id }) => Promise.resolve(layers.get(Id)) },
    });
  return {
    folder,
    found,
    stats,
    metrics,
    layers,
    files,
    places,
    clock,
    write,
    remove,
    process,
    processV1,
    cgroup,
  };
}
