/** A host's interfaces without any: stand-ins for /proc, /sys and the commands of iproute2. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CriError } from "../../../../src/errors.js";
import type { Run } from "../../../../src/run-program.js";
import { Shaper } from "../../../../src/network/bridge/shaping.js";

export type FakeHost = Awaited<ReturnType<typeof makeHost>>;

export async function makeHost() {
  const directory = await mkdtemp(join(tmpdir(), "dockershim-host."));
  const [proc, sys] = [join(directory, "proc"), join(directory, "sys")];
  const interfaces = join(sys, "class", "net");
  await mkdir(interfaces, { recursive: true });
  /** What was run, in order. */
  const commands: string[] = [];
  /** A command that begins like this fails, and does nothing. */
  const host = { failing: undefined as string | undefined };

  const addInterface = async (name: string, index: number, bridge?: string): Promise<void> => {
    await mkdir(join(interfaces, name));
    await writeFile(join(interfaces, name, "ifindex"), `${index}\n`);
    if (bridge !== undefined) await symlink(`../${bridge}`, join(interfaces, name, "master"));
  };
  /** A process whose eth0 has its other end here. */
  const addProcess = async (pid: number, hostIndex: number): Promise<void> => {
    const eth0 = join(proc, String(pid), "root", "sys", "class", "net", "eth0");
    await mkdir(eth0, { recursive: true });
    await writeFile(join(eth0, "iflink"), `${hostIndex}\n`);
  };
  const names = async (): Promise<string[]> => (await readdir(interfaces)).sort();

  const run: Run = async (program, args) => {
    const command = [program, ...args].join(" ");
    commands.push(command);
    if (host.failing !== undefined && command.startsWith(host.failing)) {
      throw new CriError("internal", `${command}: no`);
    }
    const [, verb, queue = ""] = /^ip link (add name|delete dev) (\S+)/.exec(command) ?? [];
    if (verb === "add name") await addInterface(queue, 100 + commands.length);
    if (verb === "delete dev") await rm(join(interfaces, queue), { recursive: true });
    return "";
  };
  const shaper = new Shaper({ run, proc, sys });
  const close = () => rm(directory, { recursive: true, force: true });
  return Object.assign(host, { run, shaper, commands, addInterface, addProcess, names, close });
}
