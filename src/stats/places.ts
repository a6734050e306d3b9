/**
 * The cgroups of what runs. Where a container's cgroup is does not change while it runs, so it is looked for once a
 * run; and it has the container's id in its name, so that it is never another's: when the container has ended, its
 * files are not there. Its pid can be another's by then.
 */
import type { ContainerInspect } from "../docker/engine.js";
import type { CgroupFile, KernelFiles } from "./kernel-files.js";
import { containerPlace, filesAt, podPlace, type Place } from "./place.js";
import type { StatsFile, Texts } from "./usage.js";

export class Cgroup {
  readonly #files = new Map<readonly StatsFile[], CgroupFile[]>();

  constructor(
    private readonly kernel: KernelFiles,
    private readonly place: Place,
  ) {}

  get version(): 1 | 2 {
    return this.place.cgroupVersion;
  }

  /** @param wanted a constant: which of the files this host has is looked for once */
  read(wanted: readonly StatsFile[]): Texts {
    const files = this.#files.get(wanted) ?? this.kernel.existing(filesAt(this.place, wanted));
    this.#files.set(wanted, files);
    return this.kernel.texts(files);
  }

  pids(): number[] {
    const folder = this.place.folder("pids") ?? this.place.folder("memory");
    return folder === undefined ? [] : this.kernel.pids(folder);
  }

  close(): void {
    for (const files of this.#files.values()) this.kernel.close(files);
    this.#files.clear();
  }
}

interface Run {
  pid: number;
  startedAt: string;
  /** Of the process's /proc/<pid>/cgroup. */
  text: string;
  container: Cgroup;
  pod: Cgroup;
}

export class Places {
  readonly #runs = new Map<string, Run>();

  constructor(private readonly kernel: KernelFiles) {}

  /** A container's own cgroup; undefined when it does not run (any more). */
  container(inspect: ContainerInspect): Cgroup | undefined {
    return this.#run(inspect)?.container;
  }

  /** The cgroup that a sandbox's own is in. */
  pod(inspect: ContainerInspect): Cgroup | undefined {
    return this.#run(inspect)?.pod;
  }

  /**
   * Whether the process is the container's still, so that what has been read of it until now is the container's.
   * To be asked after such reads, and when parts of a cgroup were missing.
   */
  runs({ Id, State }: ContainerInspect): boolean {
    const run = this.#runs.get(Id);
    if (run && run.pid === State.Pid && this.kernel.process(run.pid, "cgroup") === run.text) return true;
    this.forget(Id);
    return false;
  }

  /** To be called when a container or a sandbox is no more. */
  forget(id: string): void {
    const run = this.#runs.get(id);
    run?.container.close();
    run?.pod.close();
    this.#runs.delete(id);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#runs.keys()) if (!ids.has(id)) this.forget(id);
  }

  #run({ Id, State }: ContainerInspect): Run | undefined {
    const known = this.#runs.get(Id);
    if (State.Running && known?.pid === State.Pid && known.startedAt === State.StartedAt) return known;
    this.forget(Id);
    if (!State.Running) return undefined;
    const text = this.kernel.process(State.Pid, "cgroup") ?? "";
    const [container, pod] = [containerPlace(text, Id), podPlace(text, Id)];
    if (!container || !pod) return undefined;
    const run = {
      pid: State.Pid,
      startedAt: State.StartedAt,
      text,
      container: new Cgroup(this.kernel, container),
      pod: new Cgroup(this.kernel, pod),
    };
    this.#runs.set(Id, run);
    return run;
  }
}
