/** Plugins that are no processes: they keep what they are asked, and answer as a test says. */
import { CriError } from "../../../../src/errors.js";
import { cniVersions, type Json } from "../../../../src/network/cni/conf.js";
import type { CniCommand, PluginCall, Plugins } from "../../../../src/network/cni/plugins.js";

type Answer = (call: PluginCall, signal?: AbortSignal) => Promise<Json | string> | Json | string;

export class FakePlugins implements Pick<Plugins, "run" | "versionsOf" | "close"> {
  readonly calls: PluginCall[] = [];

  /** @param story also gets what is asked, as "bridge ADD" */
  constructor(private readonly story: string[] = []) {}

  /** By type. */
  readonly versions = new Map<string, readonly string[] | CriError>();
  /** By type and command, as "bridge ADD"; else by command. */
  readonly answers = new Map<string, Answer>();
  closed = false;

  async run(call: PluginCall, signal?: AbortSignal): Promise<string> {
    this.calls.push(structuredClone(call));
    const { type, command } = call;
    this.story.push(`${type} ${command}`);
    const answer = this.answers.get(`${type} ${command}`) ?? this.answers.get(command);
    const said = (await answer?.(call, signal)) ?? (command === "ADD" ? { from: type } : "");
    return typeof said === "string" ? said : JSON.stringify(said);
  }

  versionsOf(type: string): Promise<string[]> {
    const known = this.versions.get(type) ?? cniVersions;
    return known instanceof CriError ? Promise.reject(known) : Promise.resolve([...known]);
  }

  close(): void {
    this.closed = true;
  }

  /** What was asked, as "bridge ADD". */
  get asked(): string[] {
    return this.calls.map(({ type, command }) => `${type} ${command}`);
  }

  /** From now on, the plugin fails at that command. */
  fails(type: string, command: CniCommand, message = `${type} ${command} failed`): void {
    this.answers.set(`${type} ${command}`, () => {
      throw new CriError("internal", message);
    });
  }

  /** From now on, the plugin answers as usual. */
  recovers(type: string, command: CniCommand): void {
    this.answers.delete(`${type} ${command}`);
  }
}
