/**
 * The floor: the Docker calls that nobody can do without for a pod's life, straight to the engine's socket. The
 * containers are made as inspect shows a pod of ours, but for the labels that would make them a pod.
 */
import { Agent, request } from "node:http";
import type { Reply } from "../support/real-node.js";
import type { Pod } from "./pods.js";
import type { Life } from "./lifecycle.js";

export interface RawDocker {
  call(method: string, path: string, body?: object): Promise<Reply>;
  close(): void;
}

/** One connection. A status of 400 and more rejects. */
export function rawDocker(socketPath: string): RawDocker {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const call = (method: string, path: string, body?: object): Promise<Reply> => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, agent, method, path, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
        incoming.on("end", () => {
          const reply = Buffer.concat(chunks);
          const { statusCode = 0, headers } = incoming;
          if (statusCode >= 400) reject(new Error(`${method} ${path}: ${statusCode} ${reply.toString()}`));
          else resolve(headers["content-type"] === "application/json" ? JSON.parse(reply.toString()) : reply);
        });
      });
      outgoing.on("error", reject).end(text);
    });
  };
  return { call, close: () => agent.destroy() };
}

/** @param model a pod of ours on the same engine */
export async function rawLife(docker: RawDocker, model: Pod): Promise<() => Promise<Life>> {
  const sandboxModel = await createBody(docker, model.sandbox);
  const containerModel = await createBody(docker, model.container);
  // A container in another's network has no host name of its own.
  delete containerModel.Hostname;
  delete containerModel.Domainname;
  let count = 0;
  return () => {
    const number = ++count;
    let sandbox = "";
    let container = "";
    const on = (path: string, body?: object) => docker.call("POST", `/containers/${path}`, body);
    const remove = (id: string) => docker.call("DELETE", `/containers/${id}?force=1&v=1`);
    const create = async (name: string, body: object): Promise<string> =>
      (await on(`create?name=raw-${name}-${number}`, body)).Id;
    return Promise.resolve({
      RunPodSandbox: async () => {
        sandbox = await create("sandbox", sandboxModel);
        await on(`${sandbox}/start`);
      },
      CreateContainer: async () => {
        const body = JSON.parse(JSON.stringify(containerModel).replaceAll(model.sandbox, sandbox));
        container = await create("container", body);
      },
      StartContainer: () => on(`${container}/start`),
      ExecSync: async (cmd) => {
        const exec = { Cmd: cmd, AttachStdout: true, AttachStderr: true };
        const { Id } = await on(`${container}/exec`, exec);
        await docker.call("POST", `/exec/${Id}/start`, { Detach: false });
        const { ExitCode } = await docker.call("GET", `/exec/${Id}/json`);
        if (ExitCode !== 0) throw new Error(`${cmd.join(" ")}: exit code ${ExitCode}`);
      },
      StopContainer: () => on(`${container}/stop?t=0`),
      RemoveContainer: () => remove(container),
      StopPodSandbox: () => on(`${sandbox}/stop?t=0`),
      RemovePodSandbox: () => remove(sandbox),
    });
  };
}

async function createBody(docker: RawDocker, id: string): Promise<Reply> {
  const { Config, HostConfig } = await docker.call("GET", `/containers/${id}/json`);
  return { ...Config, Labels: {}, HostConfig };
}
