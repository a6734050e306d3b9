/** Servers for a pod's network: one echoes, one sends so many MiB and closes, one takes all and then says so. */
import { createServer, type Socket } from "node:net";

const { echo, source, sink, mebibytes } = JSON.parse(process.argv[2] ?? "{}") as Record<string, number>;
const piece = Buffer.alloc(64 * 1024);

function serve(port: number | undefined, answer: (socket: Socket) => void): void {
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    answer(socket);
  }).listen(port, "::");
}

serve(echo, (socket) => socket.pipe(socket));
serve(sink, (socket) => socket.resume().once("end", () => socket.end("all")));
serve(source, (socket) => {
  let left = ((mebibytes ?? 0) * 1024 * 1024) / piece.length;
  const send = (): void => {
    while (left > 0) {
      left--;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.on("drain", send);
  send();
});
console.log("up");
