import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerSocket } from "./real-node.js";

/** A door to the daemon that can be shut: to us it looks as if the daemon had died. */
export class Door {
  readonly path = join(tmpdir(), `door-${process.pid}.sock`);
  readonly #open = new Set<Socket>();
  #server: Server | undefined;

  async open(): Promise<void> {
    this.#server = createServer((client) => {
      const daemon = connect(dockerSocket());
      for (const socket of [client, daemon]) {
        this.#open.add(socket);
        socket.on("error", () => undefined).once("close", () => this.#open.delete(socket));
      }
      client.pipe(daemon).pipe(client);
    }).listen(this.path);
    await once(this.#server, "listening");
  }

  async shut(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    for (const socket of this.#open) socket.destroy();
    await closed;
    await rm(this.path, { force: true });
  }
}
