/** What the dialler sees of processes and namespaces, without any: a stand-in for /proc and for nsenter. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type FakeProc = Awaited<ReturnType<typeof makeProc>>;

export async function makeProc() {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-proc."));
  const log = join(directory, "entered");
  await writeFile(log, "");

  /** A process with a network of its own; one that is there already is replaced. */
  const add = async (pid: number | "self", started = 1000, name = "pause"): Promise<void> => {
    await remove(pid);
    await mkdir(join(directory, String(pid), "ns"), { recursive: true });
    // An inode is all that tells one network from another; the text is for the test that reads it.
    await writeFile(join(directory, String(pid), "ns", "net"), `network of ${pid} started ${started}`);
    const fields = `S 1 ${Array.from({ length: 17 }, () => "0").join(" ")} ${started} 0 0`;
    await writeFile(join(directory, String(pid), "stat"), `${pid} (${name}) ${fields}\n`);
  };
  const remove = (pid: number | "self") => rm(join(directory, String(pid)), { recursive: true, force: true });

  /** An nsenter that notes the namespace it was given (descriptor 4) and does `then` with "$@", the command. */
  const nsenter = async (then = 'exec "$@"'): Promise<string> => {
    const path = join(directory, "nsenter");
    const script = `#!/bin/sh\necho "$$ $(cat /proc/$$/fd/4)" >>${log}\nshift 2\n${then}\n`;
    await writeFile(path, script);
    await chmod(path, 0o755);
    return path;
  };
  /** The helpers that were started, in order: their pids and what network they were given. */
  const entered = async (): Promise<{ pid: number; network: string }[]> =>
    (await readFile(log, "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => ({ pid: parseInt(line), network: line.slice(line.indexOf(" ") + 1) }));

  await add("self");
  const close = () => rm(directory, { recursive: true, force: true });
  return { directory, add, remove, nsenter, entered, close };
}
