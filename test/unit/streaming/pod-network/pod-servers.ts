/**
 * The servers of a test's pod: run inside its network, they write their ports to standard output as one line
 * of JSON when all listen. No imports but Node's, so that it also runs without a loader.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

async function listen(serve: (socket: Socket) => void, hosts = ["127.0.0.1"]): Promise<number> {
  let port = 0;
  for (const host of hosts) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => undefined);
      serve(socket);
    });
    server.listen({ host, port, backlog: 1024 });
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  }
  return port;
}

/** Says which address it was reached at, and ends. */
const sayWhere = (socket: Socket) => socket.end(`${socket.localAddress} ${socket.remotePort}`);

/** Waits for the client's end, and only then answers: the sum of what came, and 1 MiB with its sum. */
function answerLate(socket: Socket): void {
  const hash = createHash("sha256");
  socket.on("data", (data) => hash.update(data));
  socket.on("end", () => {
    const reply = randomBytes(1024 * 1024);
    const sum = createHash("sha256").update(reply).digest("hex");
    socket.end(Buffer.concat([Buffer.from(hash.digest("hex") + sum), reply]));
  });
}

/** Ends its side first, and passes on what it hears all the same. */
let hear: (words: string) => void;
const heard = new Promise<string>((resolve) => (hear = resolve));
function endFirst(socket: Socket): void {
  socket.end("bye");
  let words = "";
  socket.on("data", (data) => (words += String(data))).on("end", () => hear(words));
}

const ports = {
  v4: await listen(sayWhere),
  v6: await listen(sayWhere, ["::1"]),
  both: await listen(sayWhere, ["127.0.0.1", "::1"]),
  /** Reached over IPv6 only: the test shuts the other in the firewall. */
  shielded: await listen(sayWhere, ["127.0.0.1", "::1"]),
  /** Speaks first and stays. */
  greets: await listen((socket) => socket.write("welcome")),
  /** As much as the kernel takes without a reader, and the end right behind it. */
  hasty: await listen((socket) => socket.end(Buffer.alloc(256 * 1024, "x"))),
  /** Gone with a reset as soon as it is connected. */
  resets: await listen((socket) => socket.resetAndDestroy()),
  echo: await listen((socket) => socket.pipe(socket)),
  endsFirst: await listen(endFirst),
  /** Says what endsFirst has heard, once it has. */
  tells: await listen((socket) => void heard.then((words) => socket.end(words))),
  answersLate: await listen(answerLate),
};
export type PodPorts = typeof ports;

process.stdout.write(`${JSON.stringify(ports)}\n`);
