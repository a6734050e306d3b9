/**
 * Exec beside `docker exec`, and port-forward beside a plain TCP connection to the pod's address. The client of
 * exec is crictl, of port-forward a bare SPDY session, since plain TCP has no crictl in its way either.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { truncate, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { docker, startNode } from "../support/real-node.js";
import { usageOf } from "../support/processes.js";
import { spawnServer, type ServerProcess } from "../support/server-process.js";
import { dialSpdy, type ClientStream } from "../support/spdy-client.js";
import { describeMachine, printTable, race, timeCommand, timeOf } from "./measure.js";

const mebibytes = 512;
const rounds = 5;
const setups = 50;
const ports = { echo: 7, source: 19, sink: 9 };
const near = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// --- the node: a pod with servers in its network, and a container

let server: ServerProcess | undefined;
const node = await startNode(
  {},
  "v1",
  async (config) => (server = await spawnServer(config, { built: true })),
);
const { pod, container } = await node.start();
const { State } = await docker().getContainer(pod).inspect();
const { status } = await node.runtime("PodSandboxStatus", { pod_sandbox_id: pod });
const host: string = status.network.ip;
const settings = JSON.stringify({ ...ports, mebibytes });
const inPod = [
  "-t",
  String(State.Pid),
  "-n",
  process.execPath,
  "--import",
  "tsx",
  near("pod-servers.ts"),
  settings,
];
const podServers = spawn("nsenter", inPod, { stdio: ["ignore", "pipe", "inherit"] });
await once(podServers.stdout, "data");
const input = join(node.directory, "input");
await writeFile(input, "");
await truncate(input, mebibytes * 1024 * 1024);

// --- exec

const endpoint = `unix://${node.config.socketPath}`;
const crictl = [
  near("../../.cache/bin/crictl"),
  "--config",
  "/dev/null",
  "-r",
  endpoint,
  "-i",
  endpoint,
  "exec",
];
const dockerExec = ["docker", "-H", `unix://${node.config.dockerSocketPath}`, "exec"];

const compareExec = (times: number, cmd: string[], stdin?: string) => {
  const what = [...(stdin === undefined ? [] : ["-i"]), container, ...cmd];
  return race(times, {
    peer: () => timeCommand([...dockerExec, ...what], stdin),
    spdy: () => timeCommand([...crictl, "-r", "spdy", ...what], stdin),
    websocket: () => timeCommand([...crictl, "-r", "websocket", ...what], stdin),
  });
};

// --- port-forward

const { url } = await node.runtime("PortForward", { pod_sandbox_id: pod });
const { client } = await dialSpdy(url, ["portforward.k8s.io"]);
if (!client) throw new Error("port-forward was refused");
let requests = 0;

async function forward(port: number): Promise<ClientStream> {
  const headers = { port: String(port), requestid: String(requests++) };
  const error = await client!.open({ ...headers, streamtype: "error" });
  await error.fin();
  error.onData((failure) => process.stderr.write(failure));
  return client!.open({ ...headers, streamtype: "data" });
}

async function plain(port: number): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true });
  await once(socket, "connect");
  return socket;
}

const piece = Buffer.alloc(64 * 1024);
const pieces = (mebibytes * 1024 * 1024) / piece.length;

const download = () =>
  race(rounds, {
    peer: () => timeOf(async () => once((await plain(ports.source)).resume(), "close")),
    spdy: () =>
      timeOf(async () => {
        const stream = await forward(ports.source);
        stream.onData(() => undefined);
        await stream.ended;
        await stream.fin();
      }),
  });

const upload = () =>
  race(rounds, {
    peer: () =>
      timeOf(async () => {
        const socket = await plain(ports.sink);
        for (let sent = 0; sent < pieces; sent++) if (!socket.write(piece)) await once(socket, "drain");
        socket.resume().end();
        await once(socket, "close");
      }),
    spdy: () =>
      timeOf(async () => {
        const stream = await forward(ports.sink);
        for (let sent = 0; sent < pieces; sent++) await stream.write(piece, piece.length);
        await stream.fin();
        await stream.ended;
      }),
  });

const connection = () =>
  race(setups, {
    peer: () =>
      timeOf(async () => {
        const socket = await plain(ports.echo);
        socket.write("x");
        await once(socket, "data");
        socket.destroy();
      }),
    spdy: () =>
      timeOf(async () => {
        const stream = await forward(ports.echo);
        await stream.write("x");
        await new Promise<void>((resolve) => stream.onData(() => resolve()));
        await stream.reset();
      }),
  });

// --- the table

const time = (ms: number): string => `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
const speed = (ms: number): string => `${Math.round((mebibytes * 1000) / ms)} MiB/s`;
const rows: string[][] = [];
/** @param show milliseconds in the row's own unit; the ratio is ours to the peer's, larger is better */
function report(
  what: string,
  show: (ms: number) => string,
  times: { peer: number; spdy: number; websocket?: number },
): void {
  const { peer, spdy, websocket } = times;
  const cell = (ms: number | undefined) =>
    ms === undefined ? "" : `${show(ms)} (${(peer / ms).toFixed(2)})`;
  rows.push([what, show(peer), cell(spdy), cell(websocket)]);
}

const idle = (await usageOf(server!.pid)).rss;
const dd = (count: number) => ["dd", "if=/dev/zero", "bs=65536", `count=${count}`];
report("exec, output", speed, await compareExec(rounds, dd(pieces)));
report("exec, input", speed, await compareExec(rounds, ["sh", "-c", "cat >/dev/null"], input));
report("exec of `true`, from start to end", time, await compareExec(setups / 5, ["true"]));
report("port-forward, download", speed, await download());
report("port-forward, upload", speed, await upload());
report("port-forward, new connection and first answer", time, await connection());
const after = (await usageOf(server!.pid)).rss;

console.log(`\n${await describeMachine(docker())}`);
console.log(`${mebibytes} MiB each, medians of ${rounds} rounds; in brackets the ratio, larger is better`);
console.log(`server: ${Math.round(idle)} MiB resident before, ${Math.round(after)} MiB after\n`);
printTable(["", "`docker exec`, plain TCP", "SPDY", "WebSocket"], rows);

await client.leave();
podServers.kill();
await node.close();
