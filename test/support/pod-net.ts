/** Servers and clients inside a pod's network, whatever its image has: this Node, run in the pod's namespace. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, isIPv6 } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { docker } from "./real-node.js";

const run = promisify(execFile);

export const pidOf = async (pod: string): Promise<number> =>
  (await docker().getContainer(pod).inspect()).State.Pid;

const enter = (pid: number, script: string, ...args: string[]): string[] => [
  `--net=/proc/${pid}/ns/net`,
  process.execPath,
  "-e",
  script,
  ...args,
];

/** Answers on a port, TCP and UDP, both families: "<name> heard <text> from <address>". */
const echo = `
const [name, port] = process.argv.slice(1);
const answer = (text, from) => name + " heard " + text + " from " + from.replace("::ffff:", "");
require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  const { remoteAddress } = socket;
  let said = "";
  socket.on("error", () => {}).on("data", (chunk) => (said += chunk));
  socket.on("end", () => socket.end(answer(said, remoteAddress)));
}).listen(port, "::", () => {
  const udp = require("node:dgram").createSocket("udp6").bind(port, "::", () => console.log("up"));
  udp.on("message", (said, { address, port }) => udp.send(answer(said.toString(), address), port, address));
});`;

/** Runs until it is killed, or the test's process ends. */
export async function startEcho(pod: string, name: string, port: number): Promise<ChildProcess> {
  const args = enter(await pidOf(pod), echo, name, String(port));
  const server = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(server.stdout, "data");
  return server;
}

/** What a server answers, over a connection of its own. */
export async function ask(host: string, port: number, said: string): Promise<string> {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.end(said);
  return await text(socket);
}

export async function askUdp(host: string, port: number, said: string): Promise<string> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  try {
    socket.send(said, port, host);
    const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(10_000) })) as [Buffer];
    return answer.toString();
  } finally {
    socket.close();
  }
}

const client = `
const [host, port, said] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port, allowHalfOpen: true });
socket.on("error", ({ code }) => console.log(code));
socket.end(said);
socket.pipe(process.stdout);`;

/** As `ask`, from inside a pod. A failure is its code. */
export async function askFrom(pod: string, host: string, port: number, said: string): Promise<string> {
  const { stdout } = await run("nsenter", enter(await pidOf(pod), client, host, String(port), said));
  return stdout.trim();
}
