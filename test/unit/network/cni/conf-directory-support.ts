/** What the tests of the configurations' directory share. */
import { mkdirSync, writeFileSync } from "node:fs";
import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { CriError } from "../../../../src/errors.js";
import { ConfDirectory } from "../../../../src/network/cni/conf-directory.js";
import type { Json, NetworkConf, NetworkFile } from "../../../../src/network/cni/conf.js";
import { recordingLog } from "../../../support/builders.js";
import { eventually } from "../../../support/eventually.js";
import { temporaryFolder } from "./support.js";

export const conflist = (name: string, more: Json = {}): string =>
  JSON.stringify({ cniVersion: "1.0.0", name, plugins: [{ type: "bridge" }], ...more });

/** A directory, files by name, and whoever reads them. */
export function setUp(t: TestContext, files: Record<string, string> = {}) {
  const directory = join(temporaryFolder(t), "net.d");
  const put = (name: string, text: string): void => {
    const path = join(directory, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  };
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) put(name, text);
  const log = recordingLog();
  /** Networks that are not usable, and why not. */
  const unfit = new Map<string, string>();
  const negotiated: string[] = [];
  const negotiate = ({ versions, inlineOnly: _, ...file }: NetworkFile): Promise<NetworkConf> => {
    negotiated.push(file.name);
    const reason = unfit.get(file.name);
    if (reason) return Promise.reject(new CriError("failedPrecondition", reason));
    return Promise.resolve({ ...file, cniVersion: versions[0]! });
  };
  const confs = new ConfDirectory({ directory, negotiate, log });
  t.after(() => confs.close());
  const types = async () => (await confs.current()).plugins.map(({ type }) => type);
  /** Resolves when the network is that one; no name: when there is none. */
  const becomes = (name?: string) =>
    eventually(`the network is ${name ?? "none"}`, async () => {
      const found = await confs.current().catch(() => undefined);
      return found?.name === name;
    });
  const refused = (message: string) =>
    assert.rejects(confs.current(), { name: "CriError", kind: "failedPrecondition", message });
  return { directory, put, log, unfit, negotiated, confs, types, becomes, refused };
}
