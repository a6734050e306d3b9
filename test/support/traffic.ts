/** How fast bytes get into a pod and out of it: a server in the pod's network, and a client of it here. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

/** Sends to whoever says "send"; counts what others send for a while, and tells it on standard output. */
const script = `
const chunk = Buffer.alloc(256 * 1024);
const server = require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0;
  socket.on("error", () => {});
  socket.once("data", (first) => {
    if (first.toString() === "send") {
      const fill = () => { while (socket.write(chunk)); };
      socket.on("drain", fill);
      fill();
      return;
    }
    const begin = performance.now();
    setTimeout(() => {
      console.log(JSON.stringify({ bytes, seconds: (performance.now() - begin) / 1000 }));
      socket.destroy();
    }, Number(process.argv[1]));
    socket.on("data", ({ length }) => (bytes += length));
  });
});
server.listen(0, "::", () => console.log(server.address().port));`;

export interface Measured {
  bytes: number;
  seconds: number;
}

/** @param pid of a process in the pod */
export async function startTraffic(pid: number, ms: number) {
  const args = [`--net=/proc/${pid}/ns/net`, process.execPath, "-e", script, String(ms)];
  const server = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(server.stdout);
  const nextLine = async () => ((await once(lines, "line")) as [string])[0];
  const port = Number(await nextLine());

  /** What the pod has received. */
  const into = async (host: string): Promise<Measured> => {
    const socket = connect({ host, port });
    const chunk = Buffer.alloc(256 * 1024);
    const fill = () => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on("drain", fill).on("error", () => undefined);
    await once(socket, "connect");
    fill();
    const told = await nextLine();
    socket.destroy();
    return JSON.parse(told) as Measured;
  };
  /** What has been received here. */
  const outOf = async (host: string): Promise<Measured> => {
    const socket = connect({ host, port });
    socket.write("send");
    await once(socket, "readable");
    const begin = performance.now();
    let bytes = 0;
    socket.on("data", ({ length }: Buffer) => (bytes += length)).on("error", () => undefined);
    await delay(ms);
    socket.destroy();
    return { bytes, seconds: (performance.now() - begin) / 1000 };
  };
  const close = async (): Promise<void> => {
    server.kill();
    await once(server, "exit");
  };
  return { into, outOf, close };
}
